import { createHash } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { isMissing } from '../disk/missing.ts';
import { replaceFileSync } from '../disk/replace-file.ts';
import { isDefaultStream, type StreamName } from '../model/stream.ts';

/** How far the service has accepted a file: everything before `offset`, in whole batches. */
export interface Position {
  /** Offset in bytes, in the unpacked file. */
  readonly offset: number;
  /** Lines, rows or elements before it. */
  readonly number: number;
  /** The key of the last batch, from which the next one's is derived. Empty at the start. */
  readonly key: string;
}

export const START: Position = { offset: 0, number: 0, key: '' };

/**
 * A small JSON file: `{"version":1,"files":{"<absolute path>":{"head","headBytes","offset","number","key"}}}`.
 * For another stream than access its name and `:` stand before the path, so that a file can go to several streams.
 * `head` is the SHA-256 of the file's first `headBytes` bytes, as they lie on disk: a file that was replaced or
 * rotated since is not the same file, and is read from its start.
 */
export interface Checkpoint {
  /** Where to read on; START for a file that is unknown, another one, or shorter than before. */
  find(path: string): Promise<Position>;
  save(path: string, position: Position): Promise<void>;
}

interface Entry extends Position {
  readonly head: string;
  readonly headBytes: number;
}

const HEAD_BYTES = 64 * 1024;

export const noCheckpoint: Checkpoint = {
  find: () => Promise.resolve(START),
  save: () => Promise.resolve(),
};

/** Reads the checkpoint file, or starts a new one. Rejects when the file exists and is not a checkpoint. */
export async function openCheckpoint(checkpointPath: string, stream: StreamName): Promise<Checkpoint> {
  const nameOf = (path: string) => (isDefaultStream(stream) ? path : `${stream}:${path}`);
  const entries = await readEntries(checkpointPath);
  const heads = new Map<string, { head: string; headBytes: number }>();

  return {
    async find(path) {
      const now = await hashHead(path, HEAD_BYTES);
      heads.set(path, now);
      const entry = entries.get(nameOf(path));
      if (entry === undefined || entry.headBytes > now.headBytes) return START;
      if (!path.endsWith('.gz') && (await stat(path)).size < entry.offset) return START;
      const { head } = await hashHead(path, entry.headBytes);
      return head === entry.head ? { offset: entry.offset, number: entry.number, key: entry.key } : START;
    },

    async save(path, position) {
      const head = heads.get(path) ?? (await hashHead(path, HEAD_BYTES));
      entries.set(nameOf(path), { ...head, ...position });
      const text = JSON.stringify({ version: 1, files: Object.fromEntries(entries) }, undefined, 2);
      replaceFileSync(checkpointPath, [`${text}\n`], { durable: false });
    },
  };
}

async function readEntries(path: string): Promise<Map<string, Entry>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return new Map();
    throw error;
  }
  try {
    const { version, files } = JSON.parse(text) as { version: unknown; files: Record<string, Entry> };
    const entries = Object.entries(files);
    if (version === 1 && entries.every(([, entry]) => isEntry(entry))) return new Map(entries);
  } catch {
    // Not JSON, or of another shape: the error below says so, as for another version.
  }
  throw new Error(`cannot read the checkpoint path=${path}: it was not written by logforge replay`);
}

function isEntry(entry: Entry): boolean {
  const numbers = [entry.offset, entry.number, entry.headBytes];
  return numbers.every((n) => Number.isSafeInteger(n) && n >= 0) && [entry.key, entry.head].every(isString);
}

function isString(value: unknown): boolean {
  return typeof value === 'string';
}

async function hashHead(path: string, length: number): Promise<{ head: string; headBytes: number }> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
    return { head: createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex'), headBytes: bytesRead };
  } finally {
    await file.close();
  }
}
