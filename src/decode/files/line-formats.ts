import type { FieldMap } from '../../model/field-map.ts';
import { COMBINED, COMMON } from './access/combined.ts';
import { TEXT_FORMATS } from './formats/formats.ts';
import { createJsonLog } from './json-log.ts';
import type { LineFormat } from './line-format.ts';

/** The formats of access logs whose frames are lines. Of two that are equally likely the first counts. */
export function lineFormats(map: FieldMap | undefined): readonly LineFormat[] {
  return map === undefined ? WITHOUT_MAP : [createJsonLog(map), ...OF_TEXT];
}

const OF_TEXT: readonly LineFormat[] = [...TEXT_FORMATS, COMBINED, COMMON];
const WITHOUT_MAP: readonly LineFormat[] = [createJsonLog(), ...OF_TEXT];
