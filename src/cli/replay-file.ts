import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { createFramer, type Frame } from '../decode/framing.ts';
import { isDefaultStream, type StreamName } from '../model/stream.ts';
import type { Checkpoint, Position } from './replay-checkpoint.ts';
import { createEncode, type FileFormat, FRAMING, findHeader, guessFormat, type Unreadable } from './replay-formats.ts';
import type { Send, Sent } from './replay-sender.ts';

export interface FileOptions {
  readonly stdin: Readable;
  readonly stream: StreamName;
  /** Recognised for each file when absent. */
  readonly format?: FileFormat | undefined;
  /** Records in a request, at most. */
  readonly batch: number;
  /** Requests at once. */
  readonly concurrency: number;
  readonly checkpoint: Checkpoint;
  readonly send: Send;
  /** Resolves when that many more records may be sent. */
  readonly pace: (records: number) => Promise<void>;
  readonly report: Report;
}

/** Is called as things happen, in the order of the file. */
export interface Report {
  begin(file: { name: string; noun: string; bytes: number | undefined; position: Position }): void;
  unreadable(name: string, lines: readonly Unreadable[]): void;
  batch(name: string, sent: Sent, position: Position): void;
}

/** The size at which a batch ends, however few records it has: its body must fit the 16 MiB that a service allows by default. */
const BATCH_BYTES = 4 * 1024 * 1024;
const HEAD_BYTES = 64 * 1024;

/**
 * Sends one file, `-` for stdin, batch by batch. Holds at most `concurrency` + 1 batches. Rejects at the first batch that
 * the service refuses, after the requests that are running have ended.
 */
export async function replayFile(name: string, options: FileOptions): Promise<void> {
  const { checkpoint, report, stream, batch: batchRecords } = options;
  const start = await checkpoint.find(resolve(name));
  const { head, pieces } = await openFile(name, options.stdin, start.offset);
  const format = options.format ?? guessFormat(name, head, stream);
  const header = format === 'csv' ? findHeader(head) : undefined;
  const { framing, noun } = FRAMING[format];
  const framer = createFramer(framing, start);
  const encode = createEncode(format, { header: header?.row, stream });
  const window = createWindow(name, options);
  report.begin({ name, noun, bytes: await plainSize(name), position: start });

  let frames: Frame[] = [];
  let bytes = 0;
  // A file that goes to two streams has other keys in each: one key stands for one batch.
  let key = start.key === '' && !isDefaultStream(stream) ? stream : start.key;

  async function flush(): Promise<void> {
    const last = frames.at(-1);
    if (last === undefined) return;
    const { body, records, unreadable } = encode(frames);
    if (unreadable.length > 0) report.unreadable(name, unreadable);
    if (records > 0) {
      key = chainKey(key, body);
      await options.pace(records);
      await window.push(body, key, { offset: last.end, number: last.number, key });
    }
    frames = [];
    bytes = 0;
  }

  async function add(cut: readonly Frame[]): Promise<void> {
    for (const frame of cut) {
      if (frame.number === header?.number) continue;
      if (bytes + frame.bytes.length > BATCH_BYTES) await flush();
      frames.push(frame);
      bytes += frame.bytes.length;
      if (frames.length === batchRecords) await flush();
    }
  }

  try {
    for await (const piece of pieces) await add(framer.push(piece));
    await add(framer.end());
    await flush();
  } finally {
    await window.drain();
  }
}

/**
 * The key of a batch is made of the key before it and the batch's own bytes, so it stands for the whole file up to there.
 * The same file has the same keys under any name, and two files share keys only as far as their bytes are the same.
 */
function chainKey(previous: string, body: Buffer): string {
  return `replay-${createHash('sha256').update(previous).update(body).digest('base64url')}`;
}

/** The batches that are being sent. They are settled in the order of the file, so a position means everything before it. */
function createWindow(name: string, { concurrency, send, stream, checkpoint, report }: FileOptions) {
  let inFlight: { readonly sent: Promise<Sent>; readonly position: Position }[] = [];

  async function settleOldest(): Promise<void> {
    const [oldest, ...rest] = inFlight;
    if (oldest === undefined) return;
    let sent: Sent;
    try {
      sent = await oldest.sent;
    } catch (error) {
      // A batch after one that failed does not move the position, though it may be stored.
      inFlight = [];
      await Promise.allSettled(rest.map((later) => later.sent));
      throw error;
    }
    inFlight = rest;
    if (name !== '-') await checkpoint.save(resolve(name), oldest.position);
    report.batch(name, sent, oldest.position);
  }

  return {
    async push(body: Buffer, key: string, position: Position): Promise<void> {
      if (inFlight.length >= concurrency) await settleOldest();
      const sent = send(body, key, { stream });
      // Awaited when its turn comes; until then its failure must not count as unhandled.
      sent.catch(() => {});
      inFlight.push({ sent, position });
    },
    async drain(): Promise<void> {
      while (inFlight.length > 0) await settleOldest();
    },
  };
}

/** The first bytes, and everything from `offset` on, decompressed if the name ends in `.gz`. */
async function openFile(
  name: string,
  stdin: Readable,
  offset: number,
): Promise<{ head: Buffer; pieces: AsyncIterable<Buffer> }> {
  if (name !== '-') return { head: await readHead(name), pieces: readFrom(name, offset) };
  const iterator = (stdin as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const first: Buffer[] = [];
  for (let bytes = 0; bytes < HEAD_BYTES; ) {
    const { done, value } = await iterator.next();
    if (done) break;
    first.push(Buffer.from(value));
    bytes += value.length;
  }
  return { head: withoutMark(Buffer.concat(first).subarray(0, HEAD_BYTES)), pieces: chain(first, iterator) };
}

async function* chain(first: readonly Buffer[], rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (first.length > 0) yield Buffer.concat(first);
  for (;;) {
    const { done, value } = await rest.next();
    if (done) return;
    yield Buffer.from(value);
  }
}

async function readHead(name: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of readFrom(name, 0)) {
    parts.push(part);
    bytes += part.length;
    if (bytes >= HEAD_BYTES) break;
  }
  return withoutMark(Buffer.concat(parts).subarray(0, HEAD_BYTES));
}

async function* readFrom(name: string, offset: number): AsyncGenerator<Buffer> {
  if (!name.endsWith('.gz')) {
    yield* createReadStream(name, { start: offset, highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>;
    return;
  }
  const packed = createReadStream(name);
  const unpacked = createGunzip({ chunkSize: 256 * 1024 });
  packed.on('error', (error) => unpacked.destroy(error));
  try {
    let skip = offset;
    for await (const piece of packed.pipe(unpacked) as AsyncIterable<Buffer>) {
      if (piece.length > skip) yield piece.subarray(skip);
      skip = Math.max(0, skip - piece.length);
    }
  } finally {
    packed.destroy();
    unpacked.destroy();
  }
}

function withoutMark(head: Buffer): Buffer {
  return head.subarray(0, 3).equals(Buffer.from('\ufeff')) ? head.subarray(3) : head;
}

async function plainSize(name: string): Promise<number | undefined> {
  return name === '-' || name.endsWith('.gz') ? undefined : (await stat(name)).size;
}
