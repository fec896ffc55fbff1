import { crc32 } from 'node:zlib';

/*
 * The write-ahead log: the form on disk that the commit journal, its key files and the disk spool share.
 *
 *   segment = magic? entry*                                one file; its owner says which magic, if any
 *   entry   = length u32 | checksum u32 | payload          length: bytes of the payload, at least 4
 *   payload = length of meta u32 | meta | data             meta: JSON; data: bytes that only the owner can read
 *
 * Integers are little-endian. The checksum is the CRC-32 of the payload, continued from a seed. A log whose entries are
 * valid in their own place only derives the seed from the place; the others use 0.
 *
 * Zeros may follow the last entry, because a writer wrote them ahead: they read as a length of 0. What else may follow
 * it, or stand in the place of an entry, scan-log.ts tells apart.
 */
export const PAYLOAD_START = 8;
const META_START = 12;
/** Of an entry: what stands before its meta. */
export const ENTRY_HEAD_BYTES = META_START;
const MIN_PAYLOAD_BYTES = META_START - PAYLOAD_START;

/** An entry on its way to the disk. */
export interface EncodedEntry {
  readonly buffers: readonly Buffer[];
  /** Length of all `buffers`. */
  readonly bytes: number;
}

/** Lays an entry out. It has no checksum until `sealEntry`, so that it can be made before its place is known. */
export function encodeEntry(meta: unknown, data: readonly Buffer[]): EncodedEntry {
  const json = Buffer.from(JSON.stringify(meta));
  const head = Buffer.allocUnsafe(META_START);
  let length = MIN_PAYLOAD_BYTES + json.length;
  for (const part of data) length += part.length;
  head.writeUInt32LE(length, 0);
  head.writeUInt32LE(json.length, PAYLOAD_START);
  return { buffers: [head, json, ...data], bytes: PAYLOAD_START + length };
}

/** Writes the checksum into the entry, in place. */
export function sealEntry({ buffers }: EncodedEntry, seed = 0): void {
  const [head, ...rest] = buffers;
  if (head === undefined) throw new Error('an entry of a write-ahead log has no head');
  let checksum = crc32(head.subarray(PAYLOAD_START), seed);
  for (const part of rest) checksum = crc32(part, checksum);
  head.writeUInt32LE(checksum, 4);
}

export interface LogEntry {
  /** Parsed JSON: what the writer gave `encodeEntry`, since the checksum holds. */
  readonly meta: unknown;
  /** A view of the bytes that were read. */
  readonly data: Buffer;
  /** Where the next entry begins. */
  readonly end: number;
}

/** How many bytes from `at` are needed to read the entry there. Without its head, the length of a head. */
export function entryBytes(bytes: Buffer, at: number): number {
  return bytes.length - at < PAYLOAD_START ? PAYLOAD_START : PAYLOAD_START + bytes.readUInt32LE(at);
}

/** The entry at `at`; undefined where no whole and undamaged one stands. */
export function decodeEntry(bytes: Buffer, at: number, seed = 0): LogEntry | undefined {
  const end = at + entryBytes(bytes, at);
  if (end > bytes.length || end - at < META_START) return undefined;
  const payload = bytes.subarray(at + PAYLOAD_START, end);
  if (crc32(payload, seed) !== bytes.readUInt32LE(at + 4)) return undefined;
  const dataStart = MIN_PAYLOAD_BYTES + payload.readUInt32LE(0);
  const meta = parseMeta(payload.toString('utf8', MIN_PAYLOAD_BYTES, dataStart));
  return meta === undefined ? undefined : { meta, data: payload.subarray(dataStart), end };
}

/** Undefined where it is no JSON: the checksum of a damaged entry may hold for the seed of another place. */
function parseMeta(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The entries from `start` to the last whole one. `seedOf` gives the seed of each by its number, from 0, and its position. */
export function* wholeEntries(
  bytes: Buffer,
  start: number,
  seedOf: (index: number, position: number) => number = () => 0,
): Generator<LogEntry> {
  for (let at = start, index = 0; ; index++) {
    const entry = decodeEntry(bytes, at, seedOf(index, at));
    if (entry === undefined) return;
    yield entry;
    at = entry.end;
  }
}
