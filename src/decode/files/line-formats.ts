import type { FieldMap } from '../../model/field-map.ts';
import { COMBINED, COMMON } from './access/combined.ts';
import { TEXT_FORMATS } from './formats/formats.ts';
import { createJsonLog } from './json-log.ts';
import type { LineFormat } from './line-format.ts';

/** The formats of access logs whose frames are lines. Of two that are equally likely the first counts. */
export function lineFormats(map: FieldMap | undefined): readonly LineFormat[] {
  if (map === undefined) return WITHOUT_MAP;
  const known = WITH_MAP.get(map);
  if (known !== undefined) return known;
  const made = [createJsonLog(map), ...OF_TEXT];
  WITH_MAP.set(map, made);
  return made;
}

const OF_TEXT: readonly LineFormat[] = [...TEXT_FORMATS, COMBINED, COMMON];
const WITHOUT_MAP: readonly LineFormat[] = [createJsonLog(), ...OF_TEXT];
/** Those of a map are made once, whatever the number of its files: a format keeps the last block that it has read. */
const WITH_MAP = new WeakMap<FieldMap, readonly LineFormat[]>();
