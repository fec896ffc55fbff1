// FAST PATH for every stream but access, which has its own (plain-line.ts): three times as fast as JSON.parse or more (bench/aggregate.ts).
// count-dimensions.test.ts holds it to JSON.parse.
//
// Finds the values of some fields in the bytes of a stored line. A line is plain when it is exactly as the service stores it (layout.ts), with
// no escape in its names and no object or array among the extra fields. Of a line that is not plain nothing is known: JSON.parse judges it. A
// plain line is one that JSON.parse accepts, and the bytes found are the values, unless one has a backslash or is not UTF-8.

import { BYTES } from '../model/bytes.ts';
import { ABSENT_VALUE } from '../model/summary.ts';
import type { Layout, Lead } from './layout.ts';
import { hashOfScanned, PADDING, scanString, skipPlain, skipScalar, skipText } from './plain-line.ts';

const { CLOSE_BRACE, COLON, COMMA, NEWLINE, QUOTE } = BYTES;

/**
 * Where the values of the wanted fields lie, each in its view, and their hashes. Of a text the bytes between the quotes, of anything else its
 * token. A field that the line does not have lies in a view of its own. Used again for each line.
 */
export interface PlainRecord {
  readonly views: DataView[];
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly hashes: Int32Array;
}

export function createPlainRecord(wanted: readonly string[]): PlainRecord {
  const { length } = wanted;
  return {
    views: wanted.map(() => ABSENT),
    starts: new Int32Array(length),
    ends: new Int32Array(length),
    hashes: new Int32Array(length),
  };
}

/** Reads the line at `start` into `record` and gives the offset after its newline, or -1 when it is not plain. */
export type ReadPlainRecord = (view: DataView, start: number, record: PlainRecord) => number;

/** The reader of the wanted fields, required or extra, of the records of a layout. */
export function createPlainRecordReader({ fields, leads }: Layout, wanted: readonly string[]): ReadPlainRecord {
  // A name that is not UTF-8 reads as one with this character, so its bytes do not tell which name it is.
  if ([...fields, ...wanted].some((name) => Buffer.from(name).toString().includes('\ufffd'))) return () => -1;
  const places = fields.map((name) => wanted.indexOf(name));
  const absent = wanted.flatMap((name, place) => (fields.includes(name) ? [] : [place]));
  const readExtras = createExtrasReader(fields, wanted);

  return function readPlainRecord(view, start, record) {
    const limit = view.byteLength - PADDING;
    let at = start;
    for (let field = 0; field < leads.length; field++) {
      const lead = leads[field] as Lead;
      if (at + lead.length > limit || !startsWith(view, at, lead)) return -1;
      at += lead.length;
      const place = places[field] as number;
      if (place < 0) {
        const after = skipText(view, at, limit);
        if (after < 0) return -1;
        at = after - 1;
      } else {
        const end = scanString(view, at, limit);
        if (end < 0) return -1;
        note(record, place, view, at, end, hashOfScanned());
        at = end;
      }
    }
    at += 1;
    for (let i = 0; i < absent.length; i++)
      note(record, absent[i] as number, ABSENT, 0, ABSENT_VALUE.length, ABSENT_HASH);
    if (view.getUint8(at) === COMMA) {
      at = readExtras(view, at, limit, record);
      if (at < 0) return -1;
    }
    return view.getUint8(at) === CLOSE_BRACE && view.getUint8(at + 1) === NEWLINE ? at + 2 : -1;
  };
}

/** Reads from the comma after the required fields to the closing brace; -1 where JSON.parse must judge. */
function createExtrasReader(fields: readonly string[], wanted: readonly string[]) {
  const placeOf = createPlaceFinder(fields, wanted);

  return function readExtras(view: DataView, start: number, limit: number, record: PlainRecord): number {
    let at = start;
    while (view.getUint8(at) === COMMA) {
      if (view.getUint8(at + 1) !== QUOTE) return -1;
      const nameEnd = skipPlain(view, at + 2, limit);
      if (nameEnd < 0 || view.getUint8(nameEnd + 1) !== COLON) return -1;
      const place = placeOf(view, at + 2, nameEnd);
      // A name that stands again overrules the first, whose value must be right all the same.
      if (place === REQUIRED || (place !== NOT_WANTED && record.views[place] !== ABSENT)) return -1;
      const value = nameEnd + 2;
      if (place !== NOT_WANTED && view.getUint8(value) === QUOTE) {
        const end = scanString(view, value + 1, limit);
        if (end < 0) return -1;
        note(record, place, view, value + 1, end, hashOfScanned());
        at = end + 1;
      } else {
        at = skipScalar(view, value, limit);
        if (at >= 0 && place !== NOT_WANTED) note(record, place, view, value, at, hashToken(view, value, at));
      }
      if (at < 0 || at >= limit) return -1;
    }
    return at;
  };
}

/** Finds the place of a name among those wanted; REQUIRED for a field of the layout, and NOT_WANTED for any other name. */
function createPlaceFinder(fields: readonly string[], wanted: readonly string[]) {
  const names = [...new Set([...fields, ...wanted])].map((name) => ({
    bytes: Buffer.from(name),
    place: fields.includes(name) ? REQUIRED : wanted.indexOf(name),
  }));

  return function placeOf(view: DataView, start: number, end: number): number {
    for (let i = 0; i < names.length; i++) {
      const { bytes, place } = names[i] as (typeof names)[number];
      if (bytes.length !== end - start) continue;
      let at = 0;
      while (at < bytes.length && bytes[at] === view.getUint8(start + at)) at++;
      if (at === bytes.length) return place;
    }
    return NOT_WANTED;
  };
}

const NOT_WANTED = -1;
const REQUIRED = -2;

/** Another one in every process: a client cannot know which tokens share a slot. Odd, so that no bit is lost. */
const MULTIPLIER = Math.floor(Math.random() * 2 ** 32) | 0x10001;

/** The value of a field that is not there, with room for the words that are read beyond it. */
const ABSENT = new DataView(new ArrayBuffer(ABSENT_VALUE.length + PADDING));
for (let i = 0; i < ABSENT_VALUE.length; i++) ABSENT.setUint8(i, ABSENT_VALUE.charCodeAt(i));
const ABSENT_HASH = hashToken(ABSENT, 0, ABSENT_VALUE.length);

// Positional: it is called for each value of each line.
function note(record: PlainRecord, place: number, view: DataView, start: number, end: number, hash: number): void {
  record.views[place] = view;
  record.starts[place] = start;
  record.ends[place] = end;
  record.hashes[place] = hash;
}

/** Numbers and literals are short. A table that holds the same bytes as a text too has them twice, and adds both up. */
function hashToken(view: DataView, start: number, end: number): number {
  let hash = 0;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), MULTIPLIER);
  return hash ^ (hash >>> 15);
}

function startsWith(view: DataView, at: number, { words, length }: Lead): boolean {
  const last = words.length - 1;
  for (let i = 0; i < last; i++) if (view.getInt32(at + i * 4, true) !== words[i]) return false;
  return view.getInt32(at + length - 4, true) === words[last];
}
