/* Long: the whole life of a file that is followed. Its states depend on each other, so they stand in one place. */
import { constants, fstatSync, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isAbsent } from '../../disk/missing.ts';
import { PermanentError } from '../../model/deliver.ts';
import type { Content } from './content.ts';
import { BLOCK_BYTES, packedState, type Slice } from './files.ts';
import type { LiveReading } from './live-reading.ts';
import { type Identity, lengthenHead, type OpenedLive, type OpenLiveOptions, openLive } from './open-live.ts';

/** What the files that are followed share. */
export interface FollowContext extends OpenLiveOptions {
  readonly isRunning: () => boolean;
  /** The file has the id for itself; false: another has it, whose slices may be under way. */
  claim(id: string, file: FollowedFile): boolean;
  release(id: string, file: FollowedFile): void;
  /** It is to be woken at this time (performance.now). */
  wakeAt(file: FollowedFile, at: number): void;
  onOpened(file: FollowedFile): void;
  onClosed(file: FollowedFile): void;
  /** It waits for something to come or to be delivered. */
  onRested(file: FollowedFile): void;
  /** Another file stands at this path, and has something in it. */
  isSucceeded(path: string): boolean;
  /** Another file, or none, stands at its path. */
  onLost(file: FollowedFile): void;
  /** It has moved away and is read to its end. */
  onFinished(file: FollowedFile): void;
  onDelivered(slice: Slice): void;
  warn(path: string, message: string): void;
  fault(path: string, error: Error): void;
}

const IDENTIFY_EACH_MS = 24 * 60 * 60 * 1_000;
const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 30_000;
/** A file that was moved, or deleted, and had nothing new for so long is left: whoever had it open has the new one. */
const MOVED_QUIET_MS = 10_000;
const DELETED_QUIET_MS = 2_000;
/** Until the file that has its place now has something, the writer may still have the moved one open: logrotate tells it afterwards. */
const WRITER_QUIET_MS = 10 * 60_000;

/** One file, known by its inode, in whatever place. It is open while it has something to give, and some time after. */
export class FollowedFile {
  /** Absolute; where it was seen last. */
  path: string;
  /** It is not in a place that the patterns match: it is read to its end, and left. */
  isMoved = false;
  readonly device: number;
  readonly inode: number;
  readonly #context: FollowContext;
  #handle: FileHandle | undefined;
  #live: LiveReading | undefined;
  #identity: Identity | undefined;
  #size = -1;
  #changedMs = 0;
  #identifiedAt = performance.now();
  /** Delivered up to here. */
  #offset = 0;
  #isPacked = false;
  #isDeleted = false;
  #retryAt = 0;
  /** In a row: a delivery ends it. */
  #failures = 0;
  /** The position where it was last may not be written: it failed since. */
  #mustCommit = false;
  #movedAt = performance.now();
  /** Where it stood before it was moved. */
  #formerPath: string;
  #isWorking = false;
  /** Resolves when it does not work any more. */
  #work: Promise<void> | undefined;
  #again = false;

  constructor(path: string, { dev, ino, mtimeMs, birthtimeMs }: Stats, context: FollowContext) {
    this.path = path;
    this.bornMs = birthtimeMs;
    this.#formerPath = path;
    this.changedAt = performance.now() - Math.max(0, Date.now() - mtimeMs);
    this.device = dev;
    this.inode = ino;
    this.#context = context;
  }

  /** When it had something new last (performance.now). */
  changedAt: number;
  /** When it was made: `birthtimeMs`. */
  readonly bornMs: number;
  /** No content was found in it yet, so the checkpoint does not know how it begins. */
  isUnread = true;

  get isOpen(): boolean {
    return this.#handle !== undefined;
  }

  /** Bytes that were looked at and are not delivered. */
  get lag(): number {
    return this.#isPacked ? 0 : Math.max(0, this.#size - this.#offset);
  }

  /** Its size when it was read last; -1: it was not read. */
  get size(): number {
    return this.#size;
  }

  /** Wakes it where it has changed since it was read. */
  look({ size, ctimeMs }: Stats): void {
    if (this.#size === -1 && this.#isWorking) return;
    const now = performance.now();
    const isChanged = size !== this.#size || ctimeMs !== this.#changedMs;
    if (isChanged) this.changedAt = now;
    // The checkpoint forgets what it is not asked about for long.
    if (isChanged || now - this.#identifiedAt > IDENTIFY_EACH_MS) this.wake();
  }

  /** It stands at another path. */
  move(path: string): void {
    this.isMoved = false;
    this.path = path;
    this.#movedAt = performance.now();
  }

  /** It stands nowhere that is known, and stood at `former`. */
  leave(former: string): void {
    this.isMoved = true;
    this.#formerPath = former;
    this.#movedAt = performance.now();
  }

  wake(): void {
    this.#again = true;
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#work = this.#run();
  }

  /** Resolves when it does nothing, and nothing of it is under way. Does not reject. */
  async settle(): Promise<void> {
    await this.#work;
    await this.#live?.settled().catch(() => {});
  }

  /** Closes its descriptor where nothing needs it now. */
  cool(): void {
    if (this.#isWorking || this.isMoved || this.#live?.isQuiet === false) return;
    this.#leave();
    this.close();
  }

  close(): void {
    const handle = this.#handle;
    if (handle === undefined) return;
    this.#handle = undefined;
    this.#identity = undefined;
    this.#context.onClosed(this);
    handle.close().catch((error: Error) => this.#context.fault(this.path, error));
  }

  async #run(): Promise<void> {
    const { isRunning } = this.#context;
    while (this.#again && isRunning()) {
      this.#again = false;
      while (isRunning() && performance.now() >= this.#retryAt && (await this.#turn()));
    }
    this.#isWorking = false;
    this.#work = undefined;
    this.#context.onRested(this);
  }

  /** Does one thing; true where there is more to do at once. */
  async #turn(): Promise<boolean> {
    const { budget } = this.#context;
    if (!(await budget.take(BLOCK_BYTES))) return false;
    try {
      if (this.#live?.failure !== undefined) await this.#fail(this.#live.failure);
      else return await this.#read(this.#live ?? (await this.#open()));
    } catch (error) {
      await this.#fail(error);
    } finally {
      budget.give(BLOCK_BYTES);
    }
    return false;
  }

  async #read(live: LiveReading | undefined): Promise<boolean> {
    if (this.#handle === undefined) return false;
    if (live === undefined) {
      if (this.isMoved && this.#retryAt <= performance.now() && this.isOver()) this.#finished();
      return false;
    }
    const { size, ctimeMs, nlink } = fstatSync(this.#handle.fd);
    this.#isDeleted = nlink === 0;
    if (!this.isMoved) {
      const head = await lengthenHead(live, { path: this.path, handle: this.#handle }, this.#context.checkpoint);
      if (head === undefined) return await this.#replaced();
      this.#identity = { id: live.id, head };
    }
    const outcome = await live.read(size);
    if (outcome === 'replaced') return await this.#replaced();
    if (size !== this.#size) this.changedAt = performance.now();
    this.#size = size;
    this.#changedMs = ctimeMs;
    if (outcome === 'rest' && this.isMoved && live.isQuiet && this.isOver()) {
      await live.finish(size);
      await live.settled();
      this.#finished();
    }
    return outcome === 'more';
  }

  /** It was moved, and had nothing new for so long that its writer has another file. */
  isOver(): boolean {
    const quiet = performance.now() - Math.max(this.changedAt, this.#movedAt);
    if (this.#isDeleted) return quiet > DELETED_QUIET_MS;
    return quiet > (this.#context.isSucceeded(this.#formerPath) ? MOVED_QUIET_MS : WRITER_QUIET_MS);
  }

  /** What is under way of the content before belongs to other slices: it is settled first. */
  async #replaced(): Promise<boolean> {
    await this.#live?.settled().catch(() => {});
    this.#leave();
    this.#identity = undefined;
    this.#offset = 0;
    return true;
  }

  /** Lets go of what was read; its id is free when nothing of it is under way any more. */
  #leave(): void {
    const live = this.#live;
    if (live === undefined) return;
    this.#live = undefined;
    const release = () => {
      if (this.#live?.id !== live.id) this.#context.release(live.id, this);
    };
    live.settled().then(release, release);
  }

  #finished(): void {
    this.#leave();
    this.close();
    this.#context.onFinished(this);
  }

  /** It waits, longer each time, and begins again where the checkpoint says. */
  async #fail(error: unknown): Promise<void> {
    const live = this.#live;
    await live?.settled().catch(() => {});
    this.#leave();
    this.#failures++;
    this.#mustCommit = true;
    const backoff = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#failures - 1));
    this.#retryAt = performance.now() + backoff * (0.5 + Math.random() / 2);
    const failure = error instanceof Error ? error : new Error(String(error));
    this.#context.fault(this.path, failure);
    // What stands in a file does not get better by itself.
    if (live?.failure !== undefined || !(failure instanceof PermanentError)) this.#context.wakeAt(this, this.#retryAt);
    else if (this.isMoved) this.#finished();
  }

  #wait(ms: number): void {
    this.#retryAt = performance.now() + ms;
    this.#context.wakeAt(this, this.#retryAt);
  }

  /** Opens it at its path, if it is not open, and reads it where it is packed. Undefined where there is nothing more to read now. */
  async #open(): Promise<LiveReading | undefined> {
    this.#handle ??= await this.#openHandle();
    const handle = this.#handle;
    if (handle === undefined) return undefined;
    const stats = await handle.stat();
    if (stats.ino !== this.inode || stats.dev !== this.device) {
      this.close();
      this.#context.onLost(this);
      return undefined;
    }
    this.#size = stats.size;
    this.#changedMs = stats.ctimeMs;
    this.#identifiedAt = performance.now();
    const opened = await this.#openLive(handle, stats);
    this.#isPacked = opened.kind === 'packed' || opened.kind === 'done';
    if (opened.kind === 'later') this.#wait(opened.afterMs);
    if (opened.kind === 'done') this.close();
    if (opened.kind !== 'plain' && opened.kind !== 'packed') return undefined;
    const { live } = opened;
    this.#live = live;
    this.isUnread = false;
    this.#offset = live.offset;
    this.#identity = { id: live.id, head: live.head };
    if (opened.kind === 'packed') {
      await this.#readPacked(live, opened.content, stats);
      return undefined;
    }
    await this.#commit(live);
    return live;
  }

  #openLive(handle: FileHandle, stats: Stats): Promise<OpenedLive> {
    const context = this.#context;
    const { path, isMoved } = this;
    const file = {
      ...{ path, handle, stats },
      before: isMoved ? this.#identity : undefined,
      claim: (id: string) => context.claim(id, this),
      release: (id: string) => context.release(id, this),
      onSettled: () => this.#onSettled(),
      onDelivered: (slice: Slice) => {
        this.#failures = 0;
        this.#offset = slice.to;
        context.onDelivered(slice);
      },
    };
    return openLive(file, context);
  }

  /** What gathered while the slice was under way is read now; what has come since then wakes it by itself. */
  #onSettled(): void {
    const live = this.#live;
    const mayHaveMore = live !== undefined && (live.failure !== undefined || live.offset < this.#size);
    if (mayHaveMore || this.isMoved || this.#isWorking) this.wake();
    else this.#context.onRested(this);
  }

  async #openHandle(): Promise<FileHandle | undefined> {
    try {
      const handle = await open(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
      this.#context.onOpened(this);
      return handle;
    } catch (error) {
      if (!isAbsent(error)) throw error;
      this.#context.onLost(this);
      return undefined;
    }
  }

  async #commit(live: LiveReading): Promise<void> {
    if (!this.#mustCommit) return;
    await live.commit();
    this.#mustCommit = false;
  }

  /** To its end, once: packed files are not written to twice. */
  async #readPacked(live: LiveReading, content: Content, stats: Stats): Promise<void> {
    const context = this.#context;
    try {
      await this.#commit(live);
      const end = await live.readPacked(content);
      await live.settled();
      if (end !== undefined) context.checkpoint.finish(live.id, packedState(stats));
      if (end === 'cut')
        context.fault(this.path, new Error(`path=${this.path} is cut: its packed content ends in the middle`));
      if (end === 'trailing') context.warn(this.path, 'what stands after the end of the packed content was left out');
    } finally {
      content.close();
    }
    this.#leave();
    this.close();
  }
}
