import { isUtf8 } from 'node:buffer';
import { BYTES } from '../model/bytes.ts';
import { hourToIso, type StreamHour } from '../model/hour.ts';
import { MAX_COUNT_BY } from '../model/stream.ts';
import {
  type MapLimits,
  type OwnedSummary,
  type SummaryForm,
  SummaryFormatError,
  type SummarySource,
  summaryForm,
} from '../model/summary.ts';

const { BACKSLASH, CLOSE_BRACE, COLON, COMMA, NEWLINE, OPEN_BRACE, QUOTE, RETURN, SPACE, TAB, ZERO } = BYTES;
const NINE = ZERO + 9;

/** Fills `target` from where the last read ended, and gives how many bytes came; 0 at the end. */
export type ReadNext = (target: Buffer) => number;

const SLICE_BYTES = 256 * 1024;
/** A key is part of a stored line, so it has 256 KiB, each byte of which may be escaped with six. What is longer was damaged. */
const MAX_TOKEN_BYTES = 128 * 1024 * 1024;
const MAX_DIGITS = 16;

/**
 * Reads the summary of an hour slice by slice, however it is laid out: a summary may be larger than a string of V8 can be (512 MiB). Keys
 * beyond `limits` count in `other`; the largest come first in a file, so the largest stay. Throws SummaryFormatError, where its counts do
 * not add up too.
 */
export function parseSummaryFrom(read: ReadNext, at: StreamHour, limits: MapLimits): OwnedSummary {
  const text = createScanner(read);
  const form = summaryForm(at.stream);
  const members = new Map<string, unknown>();
  const readers = new Map<string, () => unknown>([
    ['hour', () => text.string()],
    [form.total, () => text.count()],
    ['other', () => readCounts(text)],
    ['source', () => readCounts(text)],
  ]);
  if (form.members === undefined) readers.set('counts', () => readMaps(text, limits));
  for (const name of form.members?.values() ?? []) readers.set(name, () => readMap(text, limits));
  readObject(text, (name) => {
    const reader = readers.get(name);
    if (reader === undefined) throw new SummaryFormatError(`unknown member ${JSON.stringify(name.slice(0, 100))}`);
    if (members.has(name)) throw new SummaryFormatError(`${name} is there twice`);
    members.set(name, reader());
  });
  text.end();
  return toSummary(members, at, form);
}

interface ReadMap {
  readonly counts: Map<string, number>;
  /** Records of all keys, and of those that were left out. */
  readonly total: number;
  readonly other: number;
}

function toSummary(
  members: ReadonlyMap<string, unknown>,
  { stream, hour }: StreamHour,
  form: SummaryForm,
): OwnedSummary {
  // Each member was made by the reader of its name.
  const counts = members.get('source') as ReadonlyMap<string, number> | undefined;
  const unnamed = members.get('other') as ReadonlyMap<string, number> | undefined;
  const total = members.get(form.total) as number | undefined;
  const maps = mapsOf(members, form);
  if (members.get('hour') !== hourToIso(hour)) throw new SummaryFormatError(`hour is not ${hourToIso(hour)}`);
  if (maps === undefined || counts === undefined || total === undefined)
    throw new SummaryFormatError('a member is missing');
  const source: SummarySource = {
    bytes: countOf(counts, 'bytes'),
    records: countOf(counts, 'records'),
    skippedLines: countOf(counts, 'skippedLines'),
  };
  let addsUp = source.records === total;
  const dimensions = Array.from(maps, ([name, map]) => {
    const other = unnamed === undefined ? 0 : countOf(unnamed, form.members?.get(name) ?? name);
    addsUp &&= map.total + other === total;
    return { name, counts: map.counts, other: map.other + other };
  });
  if (!addsUp) throw new SummaryFormatError('the counts do not add up');
  return { stream, hour, total, dimensions, source };
}

/** The map of each dimension; undefined where one is missing. */
function mapsOf(members: ReadonlyMap<string, unknown>, form: SummaryForm): ReadonlyMap<string, ReadMap> | undefined {
  if (form.members === undefined) return members.get('counts') as ReadonlyMap<string, ReadMap> | undefined;
  const maps = new Map<string, ReadMap>();
  for (const [dimension, name] of form.members) {
    const map = members.get(name) as ReadMap | undefined;
    if (map === undefined) return undefined;
    maps.set(dimension, map);
  }
  return maps;
}

function countOf(counts: ReadonlyMap<string, number>, name: string): number {
  const count = counts.get(name);
  if (count === undefined) throw new SummaryFormatError(`${name} is missing`);
  return count;
}

function readCounts(text: Scanner): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  readObject(text, (name) => counts.set(name, text.count()));
  return counts;
}

/** The maps of the member `counts`, by the names of their dimensions. */
function readMaps(text: Scanner, limits: MapLimits): ReadonlyMap<string, ReadMap> {
  const maps = new Map<string, ReadMap>();
  readObject(text, (name) => {
    if (maps.size === maps.set(name, readMap(text, limits)).size)
      throw new SummaryFormatError('a dimension is there twice');
    if (maps.size > MAX_COUNT_BY) throw new SummaryFormatError(`it has more than ${MAX_COUNT_BY} dimensions`);
  });
  return maps;
}

function readMap(text: Scanner, { maxKeys, maxKeyBytes }: MapLimits): ReadMap {
  const counts = new Map<string, number>();
  let bytes = 0;
  let total = 0;
  let other = 0;
  readObject(text, (key) => {
    const count = text.count();
    total += count;
    const length = Buffer.byteLength(key);
    if (counts.size >= maxKeys || bytes + length > maxKeyBytes) other += count;
    else if (counts.size === counts.set(key, count).size) throw new SummaryFormatError('a key is there twice');
    else bytes += length;
  });
  return { counts, total, other };
}

/** Reads `{"name": …, …}`; `member` reads the value. */
function readObject(text: Scanner, member: (name: string) => void): void {
  text.expect(OPEN_BRACE);
  if (text.takes(CLOSE_BRACE)) return;
  do {
    const name = text.string();
    text.expect(COLON);
    member(name);
  } while (text.takes(COMMA));
  text.expect(CLOSE_BRACE);
}

type Scanner = ReturnType<typeof createScanner>;

/** The tokens of a JSON text that comes in slices. White space before each is skipped. */
// Long: all tokens are read from the one buffer, and `fill` moves what they have not read.
function createScanner(read: ReadNext) {
  let buffer = Buffer.allocUnsafeSlow(SLICE_BYTES);
  let at = 0;
  let filled = 0;

  /** Gets more bytes behind those that are not read yet. False at the end of the file. */
  function fill(): boolean {
    if (at > 0) {
      buffer.copyWithin(0, at, filled);
      filled -= at;
      at = 0;
    }
    if (filled === buffer.length) {
      if (filled >= MAX_TOKEN_BYTES) throw new SummaryFormatError('a key is too long');
      const larger = Buffer.allocUnsafeSlow(filled * 2);
      buffer.copy(larger, 0, 0, filled);
      buffer = larger;
    }
    const got = read(buffer.subarray(filled));
    filled += got;
    return got > 0;
  }

  /** The next byte that is no white space, -1 at the end. It is not read yet. */
  function peek(): number {
    for (;;) {
      while (at < filled) {
        const byte = buffer[at] as number;
        if (byte !== SPACE && byte !== NEWLINE && byte !== TAB && byte !== RETURN) return byte;
        at += 1;
      }
      if (!fill()) return -1;
    }
  }

  function takes(byte: number): boolean {
    if (peek() !== byte) return false;
    at += 1;
    return true;
  }

  function expect(byte: number): void {
    if (!takes(byte)) throw new SummaryFormatError(`not JSON: ${String.fromCharCode(byte)} is missing`);
  }

  function string(): string {
    expect(QUOTE);
    let length = 0;
    let hasEscape = false;
    let isAscii = true;
    for (;;) {
      while (at + length >= filled) if (!fill()) throw new SummaryFormatError('not JSON: it ends within a text');
      const byte = buffer[at + length] as number;
      if (byte === QUOTE) break;
      if (byte < SPACE) throw new SummaryFormatError('not JSON: a control character within a text');
      if (byte >= 0x80) isAscii = false;
      if (byte === BACKSLASH) {
        hasEscape = true;
        length += 1;
      }
      length += 1;
    }
    const bytes = buffer.subarray(at, at + length);
    at += length + 1;
    if (isAscii) return hasEscape ? readEscapes(bytes) : bytes.toString('latin1');
    if (!isUtf8(bytes)) throw new SummaryFormatError('not UTF-8');
    return hasEscape ? readEscapes(bytes) : bytes.toString('utf8');
  }

  function count(): number {
    let value = peek() === ZERO ? 0 : -1;
    let digits = 0;
    for (;;) {
      if (at >= filled && !fill()) break;
      const byte = buffer[at] as number;
      if (byte < ZERO || byte > NINE) break;
      if (value === 0 && digits > 0) throw new SummaryFormatError('not JSON: a number begins with 0');
      value = Math.max(0, value) * 10 + (byte - ZERO);
      digits += 1;
      at += 1;
      if (digits > MAX_DIGITS) break;
    }
    if (digits === 0 || !Number.isSafeInteger(value)) throw new SummaryFormatError('a value is not a count');
    return value;
  }

  function end(): void {
    if (peek() >= 0) throw new SummaryFormatError('not JSON: something follows its end');
  }

  return { takes, expect, string, count, end };
}

function readEscapes(bytes: Buffer): string {
  try {
    return JSON.parse(`"${bytes.toString('utf8')}"`) as string;
  } catch (error) {
    throw new SummaryFormatError('not JSON: an escape that there is not', { cause: error });
  }
}
