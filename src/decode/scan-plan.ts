// FAST PATH. What the scanner of any layout knows of it, and which of its fields a name in the bytes is. Names are compared as JSON.stringify writes them, with their quotes:
// so no name is taken for another that it begins with, and a name that is written with other escapes is not found.

import type { Layout } from '../lines/layout.ts';
import { toWords } from '../lines/scan-text.ts';

const WORD_BYTES = 4;
/** Of the shortest, `2025-11-22T15:23:00Z`. */
const TIMESTAMP_LENGTH = 20;

/** What the scanner of a layout needs to know of it. Made once for each stream. */
export interface ScanPlan {
  readonly layout: Layout;
  readonly names: NameTable;
  /** The fewest bytes of a record in stored form. */
  readonly minLength: number;
}

export function createScanPlan(layout: Layout): ScanPlan {
  const minLength = layout.overhead - '\n'.length + TIMESTAMP_LENGTH + layout.required.length;
  return { layout, names: createNameTable(layout.fields), minLength };
}

export interface NameTable {
  /** In bytes, quotes included. */
  readonly lengths: Int32Array;
  /** The first four bytes of each name, as far as it has them, and which of their bits it has. */
  readonly firstWords: Int32Array;
  readonly masks: Int32Array;
  readonly words: readonly Int32Array[];
}

function createNameTable(fields: readonly string[]): NameTable {
  const tokens = fields.map((field) => JSON.stringify(field));
  const lengths = Int32Array.from(tokens, (token) => Buffer.byteLength(token));
  const masks = lengths.map((length) => (length >= WORD_BYTES ? -1 : (1 << (length * 8)) - 1));
  const words = tokens.map((token, field) =>
    toWords(token.padEnd(token.length + WORD_BYTES - (lengths[field] ?? 0), '\0')),
  );
  return { lengths, masks, words, firstWords: Int32Array.from(words, (all) => all[0] as number) };
}

/** The place of the field whose name opens at `at`, or -1. It tries `guess` first. Four bytes at `at` are in the bytes. */
export function fieldNamed(table: NameTable, view: DataView, at: number, guess: number): number {
  const { firstWords, masks } = table;
  const word = view.getInt32(at, true);
  const count = firstWords.length;
  let field = guess;
  for (let tried = 0; tried < count; tried++) {
    if ((word & (masks[field] as number)) === firstWords[field] && hasRest(table, view, at, field)) return field;
    field = field + 1 === count ? 0 : field + 1;
  }
  return -1;
}

/** Whether the name that begins with the first word of the field is the field's. */
function hasRest({ lengths, words }: NameTable, view: DataView, at: number, field: number): boolean {
  const length = lengths[field] as number;
  if (length <= WORD_BYTES) return true;
  if (at + length > view.byteLength) return false;
  const all = words[field] as Int32Array;
  const last = all.length - 1;
  for (let i = 1; i < last; i++) if (view.getInt32(at + i * WORD_BYTES, true) !== all[i]) return false;
  return view.getInt32(at + length - WORD_BYTES, true) === all[last];
}
