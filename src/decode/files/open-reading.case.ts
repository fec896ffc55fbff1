import { ACCESS_STREAM, EVENTS_STREAM } from '../../model/stream.ts';
import { createBoundary } from '../framing.ts';
import type { FileReading, Unreadable } from './file-reading.ts';
import { openReading } from './open-reading.ts';
import type { ReadingOptions } from './reading-options.ts';

export const ACCESS: ReadingOptions = {
  name: 'access.log',
  stream: ACCESS_STREAM,
  zone: 0,
  fields: 'all',
  arrival: () => 0,
};
export const EVENTS: ReadingOptions = {
  name: 'app.log',
  stream: EVENTS_STREAM,
  zone: 0,
  fields: 'all',
  arrival: () => 0,
};

export interface ReadFile {
  readonly format: string;
  readonly records: readonly Record<string, unknown>[];
  /** `3: why` */
  readonly reasons: readonly string[];
  readonly frames: number;
}

const HEAD_BYTES = 64 * 1024;

/** Reads a whole file as one block. */
export function readFile(content: string | Buffer, options: Partial<ReadingOptions> = {}): ReadFile {
  const bytes = Buffer.from(content);
  const reading = openReading(bytes.subarray(0, HEAD_BYTES), { ...ACCESS, ...options });
  const { body, records, unreadable, frames } = reading.convert(bytes, 1);
  const lines = linesOf(body);
  if (lines.length !== records) throw new Error(`${lines.length} lines, said to be ${records}`);
  return {
    format: reading.format,
    records: lines.map((line) => JSON.parse(line)),
    reasons: reasonsOf(unreadable),
    frames,
  };
}

/** Reads it in blocks of so many frames, each by a reading of its own that begins with the state of the one before. */
export function readInBlocks(
  content: Buffer,
  sizes: readonly number[],
  options: Partial<ReadingOptions> = {},
): ReadFile {
  const all = { ...ACCESS, ...options };
  const open = (state: string): FileReading => openReading(content.subarray(0, HEAD_BYTES), all, state);
  let reading = open('');
  const records: Record<string, unknown>[] = [];
  const reasons: string[] = [];
  let frames = 0;
  for (const block of cut(content, reading.framing, sizes)) {
    const converted = reading.convert(block, frames + 1);
    frames += converted.frames;
    for (const line of linesOf(converted.body)) records.push(JSON.parse(line));
    reasons.push(...reasonsOf(converted.unreadable));
    reading = open(reading.state);
  }
  return { format: reading.format, records, reasons, frames };
}

function cut(content: Buffer, framing: FileReading['framing'], sizes: readonly number[]): Buffer[] {
  const boundary = createBoundary(framing, false);
  const blocks: Buffer[] = [];
  let from = 0;
  let frames = 0;
  const start = content.subarray(0, 3).equals(Buffer.from('\ufeff')) ? 3 : 0;
  for (let at = boundary.next(content, start); at >= 0; at = boundary.next(content, at + 1)) {
    frames++;
    if (frames < (sizes[blocks.length % sizes.length] ?? 1)) continue;
    blocks.push(content.subarray(from, at + 1));
    from = at + 1;
    frames = 0;
  }
  return from < content.length ? [...blocks, content.subarray(from)] : blocks;
}

function linesOf(body: Buffer): string[] {
  return body.length === 0 ? [] : body.toString('utf8').replace(/\n$/, '').split('\n');
}

function reasonsOf(unreadable: readonly Unreadable[]): string[] {
  return unreadable.map(({ number, reason }) => `${number}: ${reason}`);
}
