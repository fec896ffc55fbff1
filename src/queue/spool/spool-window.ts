import type { FileHandle } from 'node:fs/promises';
import { parseEntry, type SpoolEntry } from './spool-format.ts';

const WINDOW_BYTES = 1024 * 1024;

/** A stretch of the file, long enough for one entry at least when there is a whole one. */
export async function readWindow(file: FileHandle, position: number, end: number, sequence: number): Promise<Buffer> {
  let window = await readAt(file, position, Math.min(WINDOW_BYTES, end - position));
  for (;;) {
    const parsed = parseEntry(window, 0, sequence);
    if (parsed.kind !== 'short' || parsed.bytes > end - position || parsed.bytes <= window.length) return window;
    window = await readAt(file, position, parsed.bytes);
  }
}

/** The whole entries that a window begins with, up to the sequence `end`. */
export function entriesIn(window: Buffer, first: number, end: number): SpoolEntry[] {
  const entries: SpoolEntry[] = [];
  for (let at = 0, sequence = first; sequence < end; sequence++) {
    const parsed = parseEntry(window, at, sequence);
    if (parsed.kind !== 'entry') break;
    entries.push(parsed.entry);
    at += parsed.entry.bytes;
  }
  return entries;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await file.read(buffer, read, length - read, position + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return buffer.subarray(0, read);
}
