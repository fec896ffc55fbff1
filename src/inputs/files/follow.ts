import { type Stats, statSync } from 'node:fs';
import { ByteBudget } from './byte-budget.ts';
import type { StandingFile } from './checkpoint.ts';
import type { KnownFile } from './files.ts';
import { createFinder } from './find-files.ts';
import { type FoundInode, findMoved } from './find-moved.ts';
import { FollowPoll } from './follow-poll.ts';
import { type FollowContext, FollowedFile } from './followed-file.ts';
import type { FollowCounts, Follower, FollowOptions } from './follower.ts';
import { isOneOf } from './identity.ts';
import { watchFolders } from './watch-folders.ts';

const DEFAULT_IN_FLIGHT_BYTES = 32 * 1024 * 1024;
const DEFAULT_CONCURRENCY = 4;
/** Descriptors that are kept though nothing is under way. */
const MAX_OPEN = 256;
/** A further name may lead to another file without a sign, where a link on its way is changed. */
const FURTHER_NAMES_MS = 60_000;

/** Follows files for ever. Starts nothing by itself. */
export function createFollower(options: FollowOptions): Follower {
  return new FileFollower(options);
}

class FileFollower implements Follower {
  readonly #options: FollowOptions;
  readonly #byPath = new Map<string, FollowedFile>();
  readonly #byInode = new Map<string, FollowedFile>();
  /** Further paths of files that are followed, with the key of the inode that stood there: a scan does not look at them again. */
  readonly #furtherNames = new Map<string, string>();
  /** When they were forgotten last (performance.now). */
  #namedAt = performance.now();
  /** In no place that the patterns match. */
  readonly #moved = new Set<FollowedFile>();
  /** The one that has rested longest is the first. */
  readonly #open = new Set<FollowedFile>();
  readonly #claims = new Map<string, FollowedFile>();
  readonly #budget: ByteBudget;
  readonly #onError: (folder: string, error: Error) => void;
  readonly #finder;
  readonly #watch;
  readonly #poll: FollowPoll;
  readonly #context: FollowContext;
  #found: readonly string[] = [];
  #isRunning = false;
  #bytes = 0;
  #frames = 0;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#budget = new ByteBudget(options.maxInFlightBytes ?? DEFAULT_IN_FLIGHT_BYTES);
    this.#onError = (folder, error) => options.report.fault(folder, error);
    this.#finder = createFinder(options.patterns, this.#onError, options.exclude);
    this.#watch = watchFolders((path, isEntry) => this.#onChange(path, isEntry));
    this.#poll = new FollowPoll({
      look: (path) => this.#lookAt(path),
      scan: () => this.#scan().catch((error: Error) => options.report.fault(options.patterns.join(' '), error)),
      paths: this.#byPath,
      moved: this.#moved,
      open: this.#open,
    });
    this.#context = this.#createContext();
  }

  async start(): Promise<void> {
    this.#isRunning = true;
    const { from, checkpoint } = this.#options;
    // Only at the first start: what comes while nothing follows is read.
    if (from === 'end' && checkpoint.all().length === 0) await checkpoint.skip(await this.#standing());
    await this.#scan();
    await this.#findMovedBefore();
    this.#poll.start();
  }

  async stop(graceMs: number): Promise<void> {
    this.#isRunning = false;
    this.#poll.stop();
    this.#watch.close();
    this.#budget.close();
    const files = [...this.#byInode.values()];
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`files are not delivered within ${graceMs} ms`)), graceMs);
    try {
      await Promise.race([Promise.all(files.map((file) => file.settle())), late]);
    } finally {
      clearTimeout(timer);
      for (const file of files) file.close();
    }
  }

  counts(): FollowCounts {
    let lagBytes = 0;
    for (const file of this.#byInode.values()) lagBytes += file.lag;
    const inFlightBytes = this.#budget.taken;
    const { size: files } = this.#byInode;
    return { files, open: this.#open.size, bytes: this.#bytes, frames: this.#frames, lagBytes, inFlightBytes };
  }

  paths(most: number): readonly string[] {
    return [...this.#byPath.keys()].slice(0, most);
  }

  /** The files that match the patterns now, each once. */
  async #standing(): Promise<StandingFile[]> {
    const files = new Map<string, StandingFile>();
    for (const path of await this.#finder.find()) {
      const stats = this.#stat(path);
      if (stats?.isFile() && !files.has(keyOf(stats))) files.set(keyOf(stats), { path, stats });
    }
    return [...files.values()];
  }

  /** Looks for what matches the patterns now. */
  async #scan(): Promise<void> {
    const found = await this.#finder.find();
    if (!this.#isRunning) return;
    if (this.#options.watch !== false) this.#watch.set(this.#finder.folders);
    if (performance.now() - this.#namedAt >= FURTHER_NAMES_MS) {
      this.#furtherNames.clear();
      this.#namedAt = performance.now();
    }
    // Also where the paths are the same as before: another file may have come to one, after the one there had gone.
    for (const path of found) if (!this.#byPath.has(path) && !this.#isFurtherName(path)) this.#lookAt(path);
    if (found !== this.#found) {
      this.#found = found;
      const paths = new Set(found);
      for (const path of [...this.#byPath.keys()]) if (!paths.has(path)) this.#lookAt(path);
    }
    await this.#searchMoved([...this.#moved].filter((file) => !file.isOpen));
  }

  #onChange(path: string, isEntry: boolean): void {
    if (this.#byPath.has(path)) this.#lookAt(path);
    this.#furtherNames.delete(path);
    if (isEntry) this.#poll.scanSoon();
  }

  /** Takes up what stands at a path now. */
  #lookAt(path: string): void {
    if (!this.#isRunning) return;
    const stats = this.#stat(path);
    const file = this.#byPath.get(path);
    if (file !== undefined && stats !== undefined && isFile(file, stats)) {
      file.look(stats);
      return;
    }
    if (file !== undefined) this.#lose(file);
    if (stats?.isFile() !== true) return;
    const other = this.#byInode.get(keyOf(stats));
    if (other === undefined) this.#add(path, stats);
    else if (other.isMoved || !this.#stands(other)) this.#place(other, path, stats);
    else this.#furtherNames.set(path, keyOf(stats));
  }

  /** Whether the path had a file, when it was looked at last, that is followed at another one. */
  #isFurtherName(path: string): boolean {
    const file = this.#byInode.get(this.#furtherNames.get(path) ?? '');
    return file?.isMoved === false;
  }

  #stat(path: string): Stats | undefined {
    try {
      return statSync(path, { throwIfNoEntry: false });
    } catch (error) {
      this.#options.report.fault(path, error as Error);
      return undefined;
    }
  }

  /** Whether it is still where it was seen last. */
  #stands(file: FollowedFile): boolean {
    const stats = this.#stat(file.path);
    return stats !== undefined && isFile(file, stats);
  }

  #add(path: string, stats: Stats): FollowedFile {
    const file = new FollowedFile(path, stats, this.#context);
    this.#byInode.set(keyOf(stats), file);
    this.#byPath.set(path, file);
    this.#poll.add(file);
    file.wake();
    return file;
  }

  #place(file: FollowedFile, path: string, stats: Stats): void {
    if (this.#byPath.get(file.path) === file) this.#byPath.delete(file.path);
    this.#moved.delete(file);
    file.move(path);
    this.#byPath.set(path, file);
    file.look(stats);
  }

  /** `former`: where it stood before it was moved. */
  #lose(file: FollowedFile, former = file.path): void {
    if (this.#byPath.get(file.path) === file) this.#byPath.delete(file.path);
    if (file.isMoved) return;
    file.leave(former);
    this.#moved.add(file);
    // Where it is open it is read to its end; otherwise it must be found first.
    if (file.isOpen) file.wake();
    else this.#poll.scanSoon();
  }

  #forget(file: FollowedFile): void {
    this.#moved.delete(file);
    this.#poll.forget(file);
    this.#byInode.delete(keyOf({ dev: file.device, ino: file.inode }));
    if (this.#byPath.get(file.path) === file) this.#byPath.delete(file.path);
  }

  /** Files that were renamed to where no pattern matches stand in the same folder: those that have grown since they were read are opened. */
  async #searchMoved(files: readonly FollowedFile[]): Promise<void> {
    for await (const [file, place] of findMoved(files, this.#onError)) {
      if (!file.isMoved || file.isOpen) continue;
      if (place !== undefined && place.stats.size <= file.size && !file.isOver()) continue;
      if (place === undefined || place.stats.size <= file.size || !(await this.#isStill(file, place)))
        this.#forget(file);
      else {
        file.path = place.path;
        file.wake();
      }
    }
  }

  /** Of a file in which nothing was found yet, its birth says whether it is the same; of others, what the checkpoint has of them. */
  async #isStill(file: FollowedFile, { path, stats }: FoundInode): Promise<boolean> {
    const entries = this.#options.checkpoint.all().filter(({ inode }) => inode === file.inode);
    return (file.isUnread && file.bornMs === stats.birthtimeMs) || (await isOneOf(entries, path));
  }

  /** Files that an earlier run knew at paths that match, and that were renamed while nothing followed them, or before they were read to their end. */
  async #findMovedBefore(): Promise<void> {
    const gone = this.#options.checkpoint.all().filter((entry) => {
      const { inode, device } = entry;
      return (
        inode !== 0 && !this.#byInode.has(keyOf({ dev: device, ino: inode })) && this.#formerPath(entry) !== undefined
      );
    });
    for await (const [entry, place] of findMoved(gone, this.#onError)) {
      if (place === undefined || place.stats.size <= entry.offset || this.#byInode.has(keyOf(place.stats))) continue;
      if (await isOneOf([entry], place.path)) this.#lose(this.#add(place.path, place.stats), this.#formerPath(entry));
    }
  }

  /** Where a file stood that it had to be followed for. */
  #formerPath({ path, firstPath }: KnownFile): string | undefined {
    return [path, firstPath].find((place) => place !== undefined && this.#finder.matches(place));
  }

  #createContext(): FollowContext {
    const { report, concurrency = DEFAULT_CONCURRENCY } = this.#options;
    return {
      ...this.#options,
      concurrency,
      budget: this.#budget,
      isRunning: () => this.#isRunning,
      claim: (id, file) => {
        const owner = this.#claims.get(id) ?? file;
        this.#claims.set(id, owner);
        return owner === file;
      },
      release: (id, file) => {
        if (this.#claims.get(id) === file) this.#claims.delete(id);
      },
      wakeAt: (file, at) => this.#poll.wakeAt(file, at),
      onOpened: (file) => this.#open.add(file),
      onRested: (file) => {
        // The one that has something new is the last.
        if (this.#open.delete(file)) this.#open.add(file);
        for (const old of this.#open) {
          if (this.#open.size <= MAX_OPEN) break;
          old.cool();
        }
      },
      onClosed: (file) => this.#open.delete(file),
      isSucceeded: (path) => (this.#byPath.get(path)?.size ?? 0) > 0,
      onLost: (file) => this.#lookAt(file.path),
      onFinished: (file) => this.#forget(file),
      onDelivered: (slice) => {
        this.#bytes += slice.to - slice.from;
        this.#frames += slice.converted.frames;
        report.delivered(slice);
      },
      warn: (path, message) => report.warn(path, message),
      fault: (path, error) => report.fault(path, error),
    };
  }
}

function keyOf({ dev, ino }: Pick<Stats, 'dev' | 'ino'>): string {
  return `${dev} ${ino}`;
}

function isFile({ device, inode }: FollowedFile, { dev, ino }: Stats): boolean {
  return device === dev && inode === ino;
}
