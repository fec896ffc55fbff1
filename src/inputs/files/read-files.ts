import type { Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PackedEnd } from '../../disk/packed.ts';
import type { Checkpoint, Identified } from './checkpoint.ts';
import { type Content, openFileContent, openStreamContent } from './content.ts';
import {
  type DeliverSlice,
  type FilePosition,
  HEAD_BYTES,
  isFinished,
  type KnownFile,
  type OpenReading,
  packedState,
  type Slice,
} from './files.ts';
import type { CreateBoundary } from './slice-cutter.ts';
import { type ReadSlice, SliceReader } from './slice-reader.ts';
import { SliceWindow } from './window.ts';

export interface ReadFilesOptions {
  /** For `-`. */
  readonly stdin: AsyncIterable<Buffer>;
  readonly checkpoint: Checkpoint;
  /** The checkpoint is kept for later runs, which read on: an unfinished last line of a plain file waits for its end. */
  readonly isKept: boolean;
  /** For what cannot be read again, standard input and pipes: one that remembers nothing. */
  readonly anonymous: Checkpoint;
  readonly open: OpenReading;
  readonly createBoundary: CreateBoundary;
  readonly deliver: DeliverSlice;
  /** Slices of a file under way, at most MAX_CONCURRENCY. */
  readonly concurrency: number;
  /** Frames in a slice, at most. */
  readonly batch?: number | undefined;
  readonly report: ReadReport;
  /** Nothing more is read; what is under way is finished. */
  readonly signal?: AbortSignal | undefined;
  /** A file that may be a copy in the making is asked for so long. Milliseconds. */
  readonly undecidedMs?: number;
}

/** Is told what happens, in the order of each file. */
export interface ReadReport {
  /** `size`: bytes after unpacking, where they are known. */
  begin(file: BegunFile): void;
  /** The slice and all before it are delivered. */
  delivered(slice: Slice): void;
  /** What a user should know, though all could be read. */
  warn(name: string, message: string): void;
  /** The file could not be read, or not to its end. */
  fault(name: string, error: Error): void;
}

export interface BegunFile {
  readonly name: string;
  readonly format: string;
  readonly noun: string;
  readonly size: number | undefined;
  readonly position: FilePosition;
}

/**
 * `read`: to its end. `faulty`: not, or not wholly; the report was told why. `undelivered`: a delivery failed. `stopped`: by the signal, or
 * since a delivery before it had failed.
 */
export type ReadOutcome = 'read' | 'faulty' | 'undelivered' | 'stopped';

export interface FileResult {
  readonly name: string;
  readonly outcome: ReadOutcome;
  readonly error?: unknown;
}

const QUIET_MS = 200;
const UNDECIDED_MS = 15_000;
const ASK_AGAIN_MS = 250;

/**
 * Reads files to their end, one after the other, `-` for standard input. A bad file is reported, and the others go on; a failed delivery ends
 * the run. Resolves with a result for each file, in the order given; does not reject.
 */
export async function readFiles(names: readonly string[], options: ReadFilesOptions): Promise<FileResult[]> {
  const { signal, undecidedMs = UNDECIDED_MS } = options;
  const results = new Map<number, FileResult>();
  let isOver = false;

  /** False: it is undecided. */
  async function readOne(index: number, name: string): Promise<boolean> {
    const result = isOver || signal?.aborted ? 'stopped' : await readFile(name, options);
    if (result === 'undecided') return false;
    results.set(index, typeof result === 'string' ? { name, outcome: result } : { name, ...result });
    isOver ||= typeof result !== 'string' && result.outcome === 'undelivered';
    return true;
  }

  const undecided: [number, string][] = [];
  for (const [index, name] of names.entries()) if (!(await readOne(index, name))) undecided.push([index, name]);
  const askUntil = performance.now() + undecidedMs;
  for (const [index, name] of undecided) {
    while (!(await readOne(index, name))) {
      if (performance.now() < askUntil) await pause(ASK_AGAIN_MS, signal);
      else {
        const reason = `cannot tell whether path=${name} is a copy in the making of a file that was read: try again later`;
        results.set(index, { name, ...report(name, new Error(reason), options) });
        break;
      }
    }
  }
  return names.map((name, index) => results.get(index) ?? { name, outcome: 'stopped' });
}

/** Ends early with the signal. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {});
}

type Failed = { readonly outcome: ReadOutcome; readonly error: unknown };

async function readFile(name: string, options: ReadFilesOptions): Promise<ReadOutcome | 'undecided' | Failed> {
  let source: Source | undefined;
  try {
    source = await openSource(name, options);
    const known = await identify(name, source, options);
    if (known === 'undecided') return 'undecided';
    if (known === 'empty') return 'read';
    return await new FileRun(name, source, options).run(known);
  } catch (error) {
    return report(name, error, options);
  } finally {
    source?.content.close();
    await source?.handle?.close();
  }
}

function report(name: string, error: unknown, options: ReadFilesOptions): Failed {
  options.report.fault(name, error instanceof Error ? error : new Error(String(error)));
  return { outcome: 'faulty', error };
}

interface Source {
  readonly content: Content;
  readonly handle?: FileHandle;
  /** Of a regular file; of all else there is nothing to know again. */
  readonly stats?: Stats;
}

async function openSource(name: string, { stdin, signal }: ReadFilesOptions): Promise<Source> {
  if (name === '-') return { content: await openStreamContent(untilAborted(stdin, signal), QUIET_MS) };
  const handle = await open(name);
  try {
    const stats = await handle.stat();
    if (stats.isDirectory()) throw new Error(`cannot read path=${name}: it is a folder`);
    if (stats.isFile()) return { content: await openFileContent(handle, stats), handle, stats };
    const stream = handle.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>;
    return { content: await openStreamContent(untilAborted(stream, signal), QUIET_MS), handle };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The same pieces up to the signal, which ends the wait for the next one. */
async function* untilAborted(pieces: AsyncIterable<Buffer>, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const iterator = pieces[Symbol.asyncIterator]();
  while (signal?.aborted !== true) {
    const { promise: aborted, resolve: abort } = Promise.withResolvers<undefined>();
    const onAbort = () => abort(undefined);
    signal?.addEventListener('abort', onAbort);
    try {
      const step = await Promise.race([iterator.next(), aborted]);
      if (step === undefined || step.done) return;
      yield step.value;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

function identify(name: string, { content, stats }: Source, options: ReadFilesOptions): Promise<Identified> {
  if (content.head.length === 0) return Promise.resolve('empty');
  const { checkpoint, anonymous } = options;
  return (stats === undefined ? anonymous : checkpoint).identify({
    path: stats === undefined ? name : resolve(name),
    device: stats?.dev ?? 0,
    inode: stats?.ino ?? 0,
    changedMs: stats?.ctimeMs ?? 0,
    bornMs: stats?.birthtimeMs ?? 0,
    size: content.size,
    head: content.head.subarray(0, HEAD_BYTES),
  });
}

/** One file on its way from content to delivery. */
class FileRun {
  readonly #name: string;
  readonly #content: Content;
  readonly #canReadAgain: boolean;
  /** Of a packed file, before it was read. */
  readonly #packed: Stats | undefined;
  readonly #options: ReadFilesOptions;
  readonly #window: SliceWindow;

  constructor(name: string, { content, stats }: Source, options: ReadFilesOptions) {
    const { deliver, report, concurrency } = options;
    this.#name = name;
    this.#content = content;
    this.#canReadAgain = stats !== undefined;
    this.#packed = content.size === undefined ? stats : undefined;
    this.#options = options;
    const checkpoint = this.#canReadAgain ? options.checkpoint : options.anonymous;
    const onDelivered = (slice: Slice) => report.delivered(slice);
    this.#window = new SliceWindow({ concurrency, deliver, checkpoint, onDelivered });
  }

  async run(known: KnownFile): Promise<ReadOutcome | Failed> {
    const name = this.#name;
    const { createBoundary, batch } = this.#options;
    let fault: unknown;
    let isStopped = false;
    try {
      const reading = this.#options.open(name, this.#content.head, known.state, known.format);
      const reader = new SliceReader({ name, known, reading, createBoundary, batch });
      const { format, noun } = reading;
      const { size } = this.#content;
      this.#options.report.begin({ name, format, noun, size, position: reader.position });
      if (this.#packed !== undefined && isFinished(known, this.#packed)) return 'read';
      isStopped = !(await this.#read(reader));
    } catch (error) {
      fault = error;
    }
    try {
      await this.#window.drain();
    } catch (error) {
      return { outcome: 'undelivered', error };
    }
    if (fault !== undefined) return report(name, fault, this.#options);
    if (this.#packed !== undefined && !isStopped) this.#options.checkpoint.finish(known.id, packedState(this.#packed));
    return isStopped ? 'stopped' : 'read';
  }

  /** False: it was stopped before the end. */
  async #read(reader: SliceReader): Promise<boolean> {
    const push = async (read: ReadSlice | undefined): Promise<boolean> => {
      if (read !== undefined) await this.#window.push(read, reader.format);
      return read !== undefined;
    };
    const pieces = this.#content.pieces(reader.position.offset);
    const { signal } = this.#options;
    let end: PackedEnd | undefined;
    try {
      while (end === undefined && !signal?.aborted) {
        const step = await pieces.next();
        if (step.done === true) end = step.value;
        else if (step.value === 'quiet') await push(reader.partial());
        else {
          reader.add(step.value);
          while (!signal?.aborted && (await push(reader.next())));
        }
      }
    } catch (error) {
      if (this.#window.failure === undefined) await push(reader.partial());
      throw error;
    }
    if (signal?.aborted) {
      if (!this.#canReadAgain) while (await push(reader.next() ?? reader.partial()));
      return false;
    }
    await this.#end(reader, end ?? 'whole', push);
    return true;
  }

  async #end(
    reader: SliceReader,
    end: PackedEnd,
    push: (read: ReadSlice | undefined) => Promise<boolean>,
  ): Promise<void> {
    const { report, isKept } = this.#options;
    const name = this.#name;
    if (reader.notedTo > reader.added) {
      throw new Error(`path=${name} has ${reader.added} bytes, and an earlier run has read ${reader.notedTo}`);
    }
    // An array says by itself whether it has ended, and a packed file does not grow, so there is nothing to wait for.
    const mayGrow = this.#canReadAgain && this.#packed === undefined && reader.noun !== 'record';
    const waits = end === 'cut' || (isKept && mayGrow);
    if (waits) await push(reader.partial());
    else while (await push(reader.next() ?? reader.last()));
    if (end === 'cut') {
      throw new Error(
        `path=${name} is cut: its packed content ends in the middle; the ${reader.noun}s before that are read`,
      );
    }
    if (end === 'trailing') report.warn(name, 'what stands after the end of the packed content was left out');
    if (reader.unfinished > 0 && waits) {
      report.warn(name, `the last ${reader.noun} has no end yet: its ${reader.unfinished} bytes wait for the next run`);
    }
  }
}
