import { crc32 } from 'node:zlib';
import { decodeEntry, ENTRY_HEAD_BYTES, entryBytes, type LogEntry, PAYLOAD_START } from './write-ahead-log.ts';

/*
 * Reads a write-ahead log that may be damaged. Tells an unfinished write from damage:
 *
 * - An unfinished write is the last thing in the log: a writer writes an entry after the one before it is synced. What
 *   it leaves is a part of the entry. A process that dies leaves its beginning. A power cut leaves some of its sectors,
 *   and the others read as zeros or lie beyond the end of the file. Such an entry was never acknowledged.
 * - Everything else is damage: bytes that are followed by a valid entry, bytes that no entry begins with, and a last entry
 *   that has its whole length and no sector of zeros. Bit flips, overwritten sectors and bad copies look like this.
 *
 * An entry in which one bit is wrong is corrected: each bit changes the checksum in a way of its own. That is by far the
 * most frequent damage.
 */

const SECTOR_BYTES = 512;
/** Of an entry that several entries may be missing before, when the number of an entry is not known. */
const MAX_MISSING = 256;
/**
 * A search for the wrong bit takes 1 ns a bit. Of entries with larger damage it finds a bit by accident in (bits of the entry) of 2^32:
 * one in 2,048 at this length, and one in 32 at 16 MiB, which would be too many.
 */
const MAX_CORRECTED_BYTES = 256 * 1024;

/** How the entries of a log are found and checked. */
export interface EntryForm {
  /** The first bytes of every meta. A reader looks for them to find the entry after a damaged one. */
  readonly metaStart: Buffer;
  /** The seed of the entry with this number, counted from the beginning of the log, at this position. */
  seedOf(number: number, position: number): number;
  /** The seed depends on the number, so after damage several numbers are tried. */
  readonly isNumbered?: boolean;
}

export interface ScannedEntry extends LogEntry {
  readonly number: number;
  readonly start: number;
}

export interface DamagedRange {
  readonly start: number;
  readonly end: number;
  /** What stands there could be read in spite of it, so nothing is lost. */
  readonly isCorrected: boolean;
}

export interface LogScan {
  readonly entries: readonly ScannedEntry[];
  readonly damage: readonly DamagedRange[];
  /** After the last entry or the last damaged range. */
  readonly end: number;
  /** The number that the next entry gets. */
  readonly nextNumber: number;
  /** Bytes of an unfinished write after `end`, without trailing zeros. */
  readonly tornBytes: number;
}

/** Reads from `start` to the end. `number` is that of the first entry. The cost is linear in the length. */
export function scanLog(bytes: Buffer, options: { start: number; number?: number; form: EntryForm }): LogScan {
  const { form } = options;
  const entries: ScannedEntry[] = [];
  const damage: DamagedRange[] = [];
  let at = options.start;
  let number = options.number ?? 0;
  const length = lengthWithoutZeros(bytes, at);
  const take = (entry: LogEntry): void => {
    entries.push({ ...entry, number, start: at });
    at = entry.end;
    number++;
  };
  for (;;) {
    const seed = form.seedOf(number, at);
    const entry = decodeEntry(bytes, at, seed);
    if (entry !== undefined) {
      take(entry);
      continue;
    }
    if (at >= length) return { entries, damage, end: at, nextNumber: number, tornBytes: 0 };
    // An entry of a later number may stand here, where those before it were cut out.
    const next = findEntry(bytes, { from: form.isNumbered === true ? at : at + 1, to: length, number, form });
    if (next === undefined && isUnfinished(bytes, at, length, { form, seed })) {
      return { entries, damage, end: at, nextNumber: number, tornBytes: length - at };
    }
    const end = next?.start ?? length;
    const corrected = correctEntry(bytes, at, end, seed);
    damage.push({ start: at, end: corrected?.end ?? end, isCorrected: corrected !== undefined });
    if (corrected !== undefined) {
      take(corrected);
      continue;
    }
    at = end;
    // Without a next entry nobody can tell how many are lost, so their numbers are given again.
    number = next?.number ?? number;
  }
}

/** The length up to the last byte from `start` on that is not zero. */
export function lengthWithoutZeros(bytes: Buffer, start: number): number {
  let length = bytes.length;
  while (length > start && bytes[length - 1] === 0) length--;
  return length;
}

/** The first valid entry that begins in a range. */
function findEntry(
  bytes: Buffer,
  search: { readonly from: number; readonly to: number; readonly number: number; readonly form: EntryForm },
): { readonly start: number; readonly number: number } | undefined {
  const { from, to, form } = search;
  const find = (after: number): number => bytes.indexOf(form.metaStart, after);
  for (let found = find(from + ENTRY_HEAD_BYTES); found !== -1 && found < to; found = find(found + 1)) {
    const start = found - ENTRY_HEAD_BYTES;
    if (start + entryBytes(bytes, start) > to) continue;
    const tries = form.isNumbered === true ? MAX_MISSING : 1;
    for (let number = search.number; number < search.number + tries; number++) {
      if (decodeEntry(bytes, start, form.seedOf(number, start)) !== undefined) return { start, number };
    }
  }
  return undefined;
}

/**
 * Whether the bytes from `at` to `length`, the end of the log, may be what a write left that did not finish. The last
 * byte of an entry is never zero.
 */
function isUnfinished(
  bytes: Buffer,
  at: number,
  length: number,
  { form, seed }: { readonly form: EntryForm; readonly seed: number },
): boolean {
  if (length - at < ENTRY_HEAD_BYTES) return true;
  // All of the entry is there, and only its length is wrong.
  if (crc32(bytes.subarray(at + PAYLOAD_START, length), seed) === bytes.readUInt32LE(at + 4)) return false;
  const end = at + entryBytes(bytes, at);
  // The sector of the head did not reach the disk. Fewer bytes than a length may be zeros without that.
  const firstSector = Math.min(nextSector(at), length);
  if ((firstSector - at >= 4 || end < length) && isZero(bytes, at, firstSector)) return true;
  if (!mayBegin(bytes, at, length, form)) return false;
  return end > length || hasZeroSector(bytes, at, length);
}

/** Whether the bytes may begin an entry, some of them being zeros because they did not reach the disk. */
function mayBegin(bytes: Buffer, at: number, length: number, { metaStart }: EntryForm): boolean {
  const payloadBytes = entryBytes(bytes, at) - PAYLOAD_START;
  if (bytes.readUInt32LE(at + PAYLOAD_START) > payloadBytes) return false;
  const found = bytes.subarray(at + ENTRY_HEAD_BYTES, Math.min(at + ENTRY_HEAD_BYTES + metaStart.length, length));
  return found.every((byte, i) => byte === metaStart[i] || byte === 0);
}

function nextSector(position: number): number {
  return (Math.floor(position / SECTOR_BYTES) + 1) * SECTOR_BYTES;
}

/**
 * Whether a sector of a range reads as zeros, or the part of the first sector that is in the range: then it may be what a
 * write left that did not finish.
 */
export function lacksSector(bytes: Buffer, start: number, end: number): boolean {
  const first = Math.min(nextSector(start), end);
  return (first - start >= 4 && isZero(bytes, start, first)) || hasZeroSector(bytes, start, end);
}

function isZero(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false;
  return true;
}

function hasZeroSector(bytes: Buffer, start: number, end: number): boolean {
  for (let at = nextSector(start - 1); at + SECTOR_BYTES <= end; at += SECTOR_BYTES) {
    if (isZero(bytes, at, at + SECTOR_BYTES)) return true;
  }
  return false;
}

/** The entry at `at`, not beyond `end`, when its length is wrong or one bit of it. */
function correctEntry(bytes: Buffer, at: number, end: number, seed: number): LogEntry | undefined {
  const declaredEnd = at + entryBytes(bytes, at);
  for (const entryEnd of new Set([end, declaredEnd])) {
    if (entryEnd > end || entryEnd - at <= ENTRY_HEAD_BYTES) continue;
    const entry = Buffer.from(bytes.subarray(at, entryEnd));
    entry.writeUInt32LE(entry.length - PAYLOAD_START, 0);
    const payload = entry.subarray(PAYLOAD_START);
    const checksum = crc32(payload, seed);
    const wrongBit = findWrongBit(payload.length, checksum ^ entry.readUInt32LE(4));
    if (wrongBit === undefined) continue;
    if (wrongBit === 'the checksum or the length') entry.writeUInt32LE(checksum, 4);
    else payload[wrongBit >> 3] = (payload[wrongBit >> 3] ?? 0) ^ (1 << (wrongBit & 7));
    const found = decodeEntry(entry, 0, seed);
    if (found !== undefined) return { ...found, end: entryEnd };
  }
  return undefined;
}

/** The polynomial of CRC-32, reflected. */
const POLYNOMIAL = 0xedb88320;

/**
 * The bit of a payload that makes this difference between its checksum and the one that was stored. CRC-32 is linear, so
 * a wrong bit makes the same difference whatever the other bits are: the polynomial, shifted once for each bit after it.
 */
function findWrongBit(payloadBytes: number, difference: number): number | 'the checksum or the length' | undefined {
  if ((difference & (difference - 1)) === 0) return 'the checksum or the length';
  if (payloadBytes > MAX_CORRECTED_BYTES) return undefined;
  const wanted = difference | 0;
  let state = POLYNOMIAL | 0;
  for (let bit = payloadBytes * 8 - 1; bit >= 0; bit--) {
    if (state === wanted) return bit;
    state = (state >>> 1) ^ (state & 1 ? POLYNOMIAL : 0);
  }
  return undefined;
}
