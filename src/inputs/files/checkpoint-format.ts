import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { isAbsent } from '../../disk/missing.ts';
import { ACCESS_STREAM } from '../../model/stream.ts';
import type { PackedState, SliceBounds } from './files.ts';
import { type Entry, NO_INODE, type UnreadFile } from './identity.ts';

/*
 * A checkpoint file is NDJSON:
 *
 *   {"logforge":"checkpoint","version":2}
 *   [{"id":"Zm9vYmFyYmF6cXV4","stream":"access","path":"/var/log/nginx/access.log","device":2049,"inode":1311,"head":"<64 hex>","headBytes":1024,
 *     "offset":81920,"number":412,"format":"combined","seen":1767225600000}]
 *   …
 *
 * A line is a commit group: the entries that it changed, each as it is now; the last one with an id counts. `state` and `noted` stand there
 * where they are not empty, `"firstPath":"/data/log/nginx/access.log"` where the file was first seen at another path than the present one,
 * `"skip":4096` or `"skip":"all"` where what it had then is still to be skipped, `"packed":true` and
 * `"finished":{"bytes":20480,"modifiedMs":1767225600000}` where the file is packed, and `"unread":{"bytes":4096,"bornMs":1767225600000}` with an
 * empty head where it stood there at a first start and is not identified yet. A line is synced before the next one is begun. So only the last
 * one can be torn, and it held nothing that was promised; damage in another one is damage.
 */
export const CHECKPOINT_HEADER = { logforge: 'checkpoint', version: 2 } as const;

/** What a checkpoint file holds. */
export interface StoredEntries {
  readonly entries: Map<string, Entry>;
  /** Of the file. */
  readonly bytes: number;
  /** Bytes of the newest form of each entry. */
  readonly liveBytes: number;
  /** The file is to be rewritten before it is appended to: it is empty, of version 1, or its last line is torn. */
  readonly mustRewrite: boolean;
  readonly isTorn: boolean;
}

/** The line of some entries, with its newline. */
export function formatLine(entries: readonly Entry[]): string {
  return `${JSON.stringify(entries.map(withoutEmpty))}\n`;
}

function withoutEmpty({ state, noted, ...entry }: Entry): object {
  return { ...entry, ...(state !== '' && { state }), ...(noted.length > 0 && { noted }) };
}

/** Reads a checkpoint file of either version. A missing or empty one holds nothing. Rejects when it is damaged or something else. */
export async function readCheckpoint(path: string, now: number): Promise<StoredEntries> {
  const read = createLineReader(path);
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      read.add(chunk);
      if (read.isOfAnotherKind()) return { ...(await readVersion1(path, now)), bytes };
    }
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  if (bytes > 0 && read.lines === 0) return { ...(await readVersion1(path, now)), bytes };
  return { ...read.end(), bytes };
}

const NEWLINE = 10;
const MAX_HEADER_BYTES = 1_024;
/** A longer line was not written by us: a thousand entries with all the state that a reading may have are a quarter of it. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;
const MAX_VERSION_1_BYTES = 256 * 1024 * 1024;

/** Takes a file of version 2 in pieces. */
function createLineReader(path: string) {
  const entries = new Map<string, Entry>();
  const lengths = new Map<string, number>();
  let left: Buffer = Buffer.alloc(0);
  let lines = 0;
  let isOther = false;
  /** The line that cannot be read: the last one may. */
  let torn = 0;

  function take(line: string): void {
    lines++;
    if (torn > 0) throw damaged(path, torn);
    if (lines === 1) {
      isOther = !isHeader(path, line);
      return;
    }
    const changed = parseLine(line);
    if (changed === undefined) {
      torn = lines;
      return;
    }
    for (const entry of changed) {
      entries.set(entry.id, entry);
      // Characters, which are bytes but for paths.
      lengths.set(entry.id, line.length / changed.length);
    }
  }

  return {
    get lines() {
      return lines;
    },
    isOfAnotherKind: () => isOther,
    add(chunk: Buffer): void {
      const end = chunk.lastIndexOf(NEWLINE) + 1;
      const bytes = left.length === 0 ? chunk : Buffer.concat([left, chunk]);
      left = end === 0 ? bytes : bytes.subarray(bytes.length - chunk.length + end);
      const text = bytes.toString('utf8', 0, bytes.length - left.length);
      for (let start = 0; start < text.length && !isOther; ) {
        const newline = text.indexOf('\n', start);
        take(text.slice(start, newline));
        start = newline + 1;
      }
      if (lines === 0 && left.length > MAX_HEADER_BYTES) isOther = true;
      if (left.length > MAX_LINE_BYTES) throw damaged(path, lines + 1);
    },
    end(): Omit<StoredEntries, 'bytes'> {
      if (left.length > 0 && torn > 0) throw damaged(path, torn);
      const isTorn = left.length > 0 || torn > 0;
      const liveBytes = [...lengths.values()].reduce((sum, length) => sum + length, 0);
      return { entries, liveBytes, isTorn, mustRewrite: isTorn || lines === 0 };
    },
  };
}

function isHeader(path: string, line: string): boolean {
  const header = parse(line) as { logforge?: unknown; version?: unknown } | undefined;
  if (header?.logforge !== CHECKPOINT_HEADER.logforge) return false;
  if (header.version === CHECKPOINT_HEADER.version) return true;
  throw new Error(
    `cannot read the checkpoint path=${path}: it has version ${header.version}; this release reads 1 and 2`,
  );
}

function parseLine(line: string): readonly Entry[] | undefined {
  const values = parse(line);
  if (!Array.isArray(values)) return undefined;
  for (const value of values) {
    if (typeof value !== 'object' || value === null) return undefined;
    value.state ??= '';
    value.noted ??= [];
    if (!isEntry(value)) return undefined;
  }
  return values;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Fast: asked for each line at a start. */
function isEntry(entry: Entry): boolean {
  return (
    typeof entry.id === 'string' &&
    typeof entry.stream === 'string' &&
    typeof entry.path === 'string' &&
    (entry.firstPath === undefined || typeof entry.firstPath === 'string') &&
    typeof entry.head === 'string' &&
    typeof entry.format === 'string' &&
    typeof entry.state === 'string' &&
    Number.isFinite(entry.device) &&
    Number.isFinite(entry.inode) &&
    Number.isSafeInteger(entry.headBytes) &&
    Number.isSafeInteger(entry.offset) &&
    Number.isSafeInteger(entry.number) &&
    (entry.skip === undefined || entry.skip === 'all' || Number.isSafeInteger(entry.skip)) &&
    Number.isFinite(entry.seen) &&
    Array.isArray(entry.noted) &&
    entry.noted.every(isBounds) &&
    (entry.finished === undefined || isPackedState(entry.finished)) &&
    (entry.unread === undefined || isUnreadFile(entry.unread))
  );
}

function isBounds(bounds: SliceBounds | null): boolean {
  return Number.isSafeInteger(bounds?.from) && Number.isSafeInteger(bounds?.to);
}

function isPackedState(state: PackedState | null): boolean {
  return Number.isSafeInteger(state?.bytes) && Number.isFinite(state?.modifiedMs);
}

function isUnreadFile(unread: UnreadFile | null): boolean {
  return Number.isSafeInteger(unread?.bytes) && Number.isFinite(unread?.bornMs);
}

function damaged(path: string, line: number): Error {
  return new Error(
    `cannot read the checkpoint path=${path}: line ${line} is damaged. Without that line the files that it names are read again as far as it says; ` +
      'with another checkpoint file all are read from their start',
  );
}

/**
 * Version 1: `{"version":1,"files":{"<path>":{"head","headBytes","offset","number","key"}}}`, where for another stream than access its name and
 * `:` stand before the path.
 */
async function readVersion1(path: string, now: number): Promise<Omit<StoredEntries, 'bytes'>> {
  if ((await stat(path)).size > MAX_VERSION_1_BYTES) throw notOurs(path);
  const stored = parse(await readFile(path, 'utf8')) as { version?: unknown; files?: unknown } | undefined;
  if (stored?.version !== 1 || typeof stored.files !== 'object' || stored.files === null) throw notOurs(path);
  const entries = new Map<string, Entry>();
  for (const [name, file] of Object.entries(stored.files as Record<string, Version1File>)) {
    const entry = fromVersion1(name, file, now);
    if (!isEntry(entry)) throw notOurs(path);
    entries.set(entry.id, entry);
  }
  return { entries, liveBytes: 0, isTorn: false, mustRewrite: true };
}

interface Version1File {
  readonly head: string;
  readonly headBytes: number;
  readonly offset: number;
  readonly number: number;
}

function fromVersion1(name: string, file: Version1File, now: number): Entry {
  const [, stream = ACCESS_STREAM.name, path = name] = /^([a-z][a-z0-9-]*):(\/.*)$/s.exec(name) ?? [];
  const { head, headBytes, offset, number } = file;
  const unknown = { device: 0, inode: NO_INODE, format: '', state: '', noted: [] };
  return { id: newId(), stream, path, head, headBytes, offset, number, ...unknown, seen: now, raw: true };
}

function notOurs(path: string): Error {
  return new Error(`cannot read the checkpoint path=${path}: it was not written by logforge`);
}

const ID_BYTES = 12;

export function newId(): string {
  return randomBytes(ID_BYTES).toString('base64url');
}
