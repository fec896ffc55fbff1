import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { FileReading } from '../../decode/decode.ts';
import { packingOf } from '../../disk/unpack.ts';
import type { Checkpoint } from './checkpoint.ts';
import { type Content, openFileContent } from './content.ts';
import {
  FORMAT_BYTES,
  HEAD_BYTES,
  isFinished,
  type KnownFile,
  MAX_FRAME_BYTES,
  type OpenReading,
  packedState,
  type Slice,
} from './files.ts';
import { readAt, seeFile } from './identity.ts';
import { LiveReading, type LiveReadingOptions } from './live-reading.ts';

export interface OpenLiveOptions
  extends Pick<LiveReadingOptions, 'createBoundary' | 'batch' | 'concurrency' | 'deliver' | 'budget'> {
  readonly open: OpenReading;
  readonly checkpoint: Checkpoint;
  readonly isRunning: () => boolean;
}

export interface LiveFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly stats: Stats;
  /** Its identity, where it needs no look-up: it was open all the time, and its place is not known. */
  readonly before: Identity | undefined;
  /** The id is free; false: slices of it may be under way elsewhere. */
  readonly claim: (id: string) => boolean;
  readonly release: (id: string) => void;
  readonly onDelivered: (slice: Slice) => void;
  readonly onSettled: () => void;
}

export interface Identity {
  readonly id: string;
  /** First bytes, at most HEAD_BYTES. */
  readonly head: Buffer;
}

/** `packed`: it is to be read with readPacked. `done`: it is packed, and there is nothing more to read. `later`: ask again after so many milliseconds. `nothing`: not before it changes. */
export type OpenedLive =
  | { readonly kind: 'plain'; readonly live: LiveReading }
  | { readonly kind: 'packed'; readonly live: LiveReading; readonly content: Content }
  | { readonly kind: 'done' }
  | { readonly kind: 'later'; readonly afterMs: number }
  | { readonly kind: 'nothing' };

const ASK_AGAIN_MS = 1_000;
/** A packed file that was not written to for so long is finished. */
const SETTLE_MS = 5_000;
const NEWLINE = 10;
const STEP_BYTES = 64 * 1024;

/** Identifies what stands in an open file, and opens its reading at the position that the checkpoint knows. */
export async function openLive(file: LiveFile, options: OpenLiveOptions): Promise<OpenedLive> {
  const { handle, stats } = file;
  const first = await readAt(handle, 0, Math.min(stats.size, FORMAT_BYTES));
  if (first.length === 0) return { kind: 'nothing' };
  if (packingOf(first) !== 'plain') return await openPacked(file, options);
  const known = await find(file, first, Math.max(stats.size, first.length), options);
  if ('kind' in known) return known;
  try {
    const start = known.skip === undefined ? known : await skipTo(file, known, first, options);
    // Shorter than what is delivered of it: a copy that was not made to its end.
    if (start.offset <= stats.size) return { kind: 'plain', live: createLive(file, start, first, options) };
    file.release(known.id);
    return { kind: 'nothing' };
  } catch (error) {
    file.release(known.id);
    throw error;
  }
}

async function openPacked(file: LiveFile, options: OpenLiveOptions): Promise<OpenedLive> {
  const young = SETTLE_MS - Math.abs(Date.now() - file.stats.ctimeMs);
  if (young > 0) return { kind: 'later', afterMs: young };
  const content = await openFileContent(file.handle, file.stats);
  let id: string | undefined;
  try {
    const known = await find(file, content.head, undefined, options);
    if ('kind' in known) {
      content.close();
      return known;
    }
    id = known.id;
    let isDone = true;
    if (known.skip !== undefined) isDone = await skipPacked(file, known, content, options);
    else if (!isFinished(known, file.stats)) {
      return { kind: 'packed', live: createLive(file, known, content.head, options), content };
    }
    content.close();
    file.release(id);
    return isDone ? { kind: 'done' } : { kind: 'later', afterMs: 0 };
  } catch (error) {
    content.close();
    if (id !== undefined) file.release(id);
    throw error;
  }
}

/** The entry of the file, which is claimed for it. */
async function find(
  file: LiveFile,
  first: Buffer,
  size: number | undefined,
  { checkpoint }: OpenLiveOptions,
): Promise<KnownFile | OpenedLive> {
  const { path, stats, before } = file;
  const head = first.subarray(0, HEAD_BYTES);
  const isSame = before !== undefined && head.subarray(0, before.head.length).equals(before.head);
  const { dev: device, ino: inode, ctimeMs: changedMs, birthtimeMs: bornMs } = stats;
  const seen = { path, device, inode, changedMs, bornMs, size, head };
  const known = (isSame ? checkpoint.get(before.id) : undefined) ?? (await checkpoint.identify(seen));
  if (known === 'empty') return { kind: 'nothing' };
  if (known === 'undecided' || !file.claim(known.id)) return { kind: 'later', afterMs: ASK_AGAIN_MS };
  return known;
}

function createLive(file: LiveFile, known: KnownFile, first: Buffer, options: OpenLiveOptions): LiveReading {
  const { path, handle, onDelivered, onSettled } = file;
  const reading = options.open(path, first, known.state, known.format);
  const head = Buffer.from(first.subarray(0, HEAD_BYTES));
  return new LiveReading({ ...options, name: path, handle, known, head, reading, onDelivered, onSettled });
}

/**
 * A file that was known by less than HEAD_BYTES is known by more when it has more. Gives the head that it is known by; undefined where it
 * is another file now.
 */
export async function lengthenHead(
  live: LiveReading,
  { path, handle }: Pick<LiveFile, 'path' | 'handle'>,
  checkpoint: Checkpoint,
): Promise<Buffer | undefined> {
  const { head } = live;
  if (head.length === HEAD_BYTES || (await handle.stat()).size <= head.length) return head;
  const seen = await seeFile(handle, path);
  if (!seen.head.subarray(0, head.length).equals(head)) return undefined;
  const known = await checkpoint.identify(seen);
  if (typeof known === 'string' || known.id !== live.id) return undefined;
  live.lengthen(seen.head);
  return seen.head;
}

/**
 * Everything that a packed file has now is skipped: if it grows, it goes on after that. Where it was plain when it was first seen, it is skipped
 * to the last newline that it had then, and false says that the rest is to be read. Where it is stopped the next start does it.
 */
async function skipPacked(
  { path, stats }: LiveFile,
  known: KnownFile,
  content: Content,
  { open, checkpoint, isRunning }: OpenLiveOptions,
): Promise<boolean> {
  const { format, state } = readHead(open, path, content.head);
  const isAll = typeof known.skip !== 'number';
  const end = isAll ? Number.POSITIVE_INFINITY : known.skip;
  let bytes = 0;
  /** After the last newline before `end`. */
  let offset = 0;
  for await (const piece of content.pieces(0)) {
    if (!isRunning()) return true;
    if (piece === 'quiet') continue;
    const newline = piece.subarray(0, end - bytes).lastIndexOf(NEWLINE);
    if (newline >= 0) offset = bytes + newline + 1;
    bytes += piece.length;
    if (bytes >= end) break;
  }
  await checkpoint.commit(known.id, { offset: isAll ? bytes : offset, number: 0, state }, format);
  if (isAll) checkpoint.finish(known.id, packedState(stats));
  return isAll;
}

/** How a file is read whose first lines are skipped: what they say about the others is kept. */
function readHead(open: OpenReading, path: string, head: Buffer): FileReading {
  const reading = open(path, head, '', '');
  const whole = head.subarray(0, head.lastIndexOf(NEWLINE) + 1);
  if (whole.length > 0) reading.convert(whole, 1);
  return reading;
}

/** The entry after the last newline that is skipped. Frames are counted from there. */
async function skipTo(
  { path, handle, stats }: LiveFile,
  known: KnownFile,
  first: Buffer,
  { open, checkpoint }: OpenLiveOptions,
): Promise<KnownFile> {
  const reading = readHead(open, path, first);
  const end = typeof known.skip === 'number' ? Math.min(known.skip, stats.size) : stats.size;
  const offset = await findLastNewline(handle, end);
  await checkpoint.commit(known.id, { offset, number: 0, state: reading.state }, reading.format);
  return checkpoint.get(known.id) ?? known;
}

/** The offset after the last newline before `end`; `end` where that is farther than the longest frame. */
async function findLastNewline(handle: FileHandle, end: number): Promise<number> {
  for (let to = end; to > 0 && end - to < MAX_FRAME_BYTES; to -= STEP_BYTES) {
    const from = Math.max(0, to - STEP_BYTES);
    const at = (await readAt(handle, from, to - from)).lastIndexOf(NEWLINE);
    if (at >= 0) return from + at + 1;
    if (from === 0) return 0;
  }
  return end;
}
