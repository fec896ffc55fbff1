import { createMemberFinder, type FoundMember, isJson, textOfValue } from '../lines/find-field.ts';
import { parseJson } from '../lines/parse-json.ts';
import { BYTES } from '../model/bytes.ts';

const { OPEN_BRACE } = BYTES;

/** A value where it stands. It is JSON. */
export interface FieldValue {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/**
 * The value of a field in the stored line [start, end) of a block, without its newline; undefined where the record has no such field, or
 * the line is no record. What is no JSON, as after damage, is no value.
 */
export type ReadField = (block: Buffer, start: number, end: number) => FieldValue | undefined;

/**
 * Reads the field of that name at the top level, or else, for a name with dots, in nested objects: `a.b` is the member `b` of the object `a`.
 * A line that is not in stored form, as after an edit by hand, is parsed and written again.
 */
export function createFieldReader(name: string): ReadField {
  const search = createSearch(name);
  return function readField(block, start, end) {
    const found = search(block, start, end);
    if (found === 'none') return undefined;
    if (found !== 'unclear' && isJson(block, found)) return { bytes: block, start: found.start, end: found.end };
    const bytes = toStoredForm(block.subarray(start, end));
    const again = bytes === undefined ? 'none' : search(bytes, 0, bytes.length);
    return bytes === undefined || typeof again === 'string' ? undefined : { bytes, ...again };
  };
}

/** The text of a value: of a string its characters, of anything else its JSON. */
export function textOf({ bytes, start, end }: FieldValue): string {
  return textOfValue(bytes, { start, end });
}

type Search = ReturnType<typeof createMemberFinder>;

/** The plain name first, then each way to divide it at a dot. At most 2^(parts - 1) look-ups. */
function createSearch(name: string, isNested = false): Search {
  const plain = createMemberFinder(name, { isNested });
  const dots = Array.from(name.matchAll(/\./g), ({ index }) => index).filter((at) => at > 0 && at < name.length - 1);
  if (dots.length === 0) return plain;
  const divided = dots.map((dot) => ({
    findOuter: createMemberFinder(name.slice(0, dot), { isNested }),
    findInner: createSearch(name.slice(dot + 1), true),
  }));
  return function findNested(line, start, end): FoundMember {
    const found = plain(line, start, end);
    if (found !== 'none') return found;
    for (const { findOuter, findInner } of divided) {
      const outer = findOuter(line, start, end);
      if (typeof outer === 'string' || line[outer.start] !== OPEN_BRACE) continue;
      const inner = findInner(line, outer.start, outer.end);
      if (inner !== 'none') return inner;
    }
    return 'none';
  };
}

/** The record as it would be stored, without its newline; undefined for a line that is no JSON object. */
function toStoredForm(line: Buffer): Buffer | undefined {
  try {
    const value = parseJson(line.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Buffer.from(JSON.stringify(value))
      : undefined;
  } catch {
    return undefined;
  }
}
