import type { FollowedFile } from './followed-file.ts';

export interface FollowPollOptions {
  /** Files by their paths. */
  readonly paths: ReadonlyMap<string, FollowedFile>;
  /** Files that are in no place that the patterns match. */
  readonly moved: ReadonlySet<FollowedFile>;
  readonly open: ReadonlySet<FollowedFile>;
  look(path: string): void;
  /** Looks for new files. Does not reject. */
  scan(): Promise<void>;
}

const TICK_MS = 200;
/** A file that changed in the last minute is active. */
const ACTIVE_MS = 60_000;
/** How often an active file is looked at, at most; with more than MAX_ACTIVE_LOOKS a tick more seldom. */
const ACTIVE_EACH_MS = 1_000;
const MAX_ACTIVE_LOOKS = 100;
/** How often an idle file is looked at, at most; with many files more seldom, so that they cost less than a hundredth of a CPU. */
const IDLE_EACH_MS = 10_000;
const IDLE_COST_MS = 2;
const MAX_LOOKS = 300;
const SCAN_EACH_MS = 10_000;
/** After a change of a folder: others mostly follow. */
const SCAN_DELAY_MS = 20;
/** A scan takes this share of the time at most. */
const SCAN_SHARE = 0.05;

/** When what is looked at. Watching makes it faster; without that it is enough. */
export class FollowPoll {
  readonly #options: FollowPollOptions;
  readonly #active = new Set<FollowedFile>();
  readonly #waiting = new Map<FollowedFile, number>();
  #round: Iterator<string> = [][Symbol.iterator]();
  #activeRound: Iterator<FollowedFile> = [][Symbol.iterator]();
  #openAt = 0;
  #tick: NodeJS.Timeout | undefined;
  #scanTimer: NodeJS.Timeout | undefined;
  #scanAt = Number.POSITIVE_INFINITY;
  #isScanning = false;
  #notBefore = 0;

  constructor(options: FollowPollOptions) {
    this.#options = options;
  }

  start(): void {
    this.#tick = setInterval(() => this.#onTick(performance.now()), TICK_MS);
    this.#scanIn(SCAN_EACH_MS);
  }

  stop(): void {
    clearInterval(this.#tick);
    clearTimeout(this.#scanTimer);
    this.#tick = undefined;
    this.#waiting.clear();
  }

  /** A file is new, or has changed. */
  add(file: FollowedFile): void {
    this.#active.add(file);
  }

  wakeAt(file: FollowedFile, at: number): void {
    this.#waiting.set(file, at);
  }

  forget(file: FollowedFile): void {
    this.#active.delete(file);
    this.#waiting.delete(file);
  }

  scanSoon(): void {
    this.#scanIn(SCAN_DELAY_MS);
  }

  #scanIn(ms: number): void {
    const now = performance.now();
    const at = Math.max(now + ms, this.#notBefore);
    if (this.#tick === undefined || at >= this.#scanAt) return;
    this.#scanAt = at;
    clearTimeout(this.#scanTimer);
    if (!this.#isScanning) this.#scanTimer = setTimeout(() => void this.#scan(), at - now);
  }

  async #scan(): Promise<void> {
    const begun = performance.now();
    this.#isScanning = true;
    this.#scanAt = Number.POSITIVE_INFINITY;
    await this.#options.scan();
    const now = performance.now();
    this.#isScanning = false;
    this.#notBefore = now + (now - begun) / SCAN_SHARE;
    // Asked for in between, or else in due time.
    const wanted = this.#scanAt;
    this.#scanAt = Number.POSITIVE_INFINITY;
    this.#scanIn(Math.min(wanted - now, SCAN_EACH_MS));
  }

  #onTick(now: number): void {
    for (const [file, at] of this.#waiting) {
      if (at > now) continue;
      this.#waiting.delete(file);
      file.wake();
    }
    if (now - this.#openAt >= ACTIVE_EACH_MS) this.#lookAtOpen(now);
    this.#lookAtActive(now);
    this.#lookAtIdle(now);
  }

  #lookAtOpen(now: number): void {
    const { moved, open } = this.#options;
    this.#openAt = now;
    for (const file of moved) if (file.isOpen) file.wake();
    for (const file of open) if (now - file.changedAt > ACTIVE_MS) file.cool();
  }

  #lookAtActive(now: number): void {
    const count = Math.min(MAX_ACTIVE_LOOKS, Math.ceil((this.#active.size * TICK_MS) / ACTIVE_EACH_MS));
    for (let looked = 0; looked < count; looked++) {
      let next = this.#activeRound.next();
      if (next.done) {
        this.#activeRound = this.#active.values();
        next = this.#activeRound.next();
        if (next.done) return;
      }
      const file = next.value;
      if (!file.isMoved) this.#options.look(file.path);
      if (now - file.changedAt > ACTIVE_MS) this.#active.delete(file);
    }
  }

  #lookAtIdle(now: number): void {
    const { paths, look } = this.#options;
    const eachMs = Math.max(IDLE_EACH_MS, paths.size * IDLE_COST_MS);
    const count = Math.min(MAX_LOOKS, Math.ceil((paths.size * TICK_MS) / eachMs));
    for (let looked = 0; looked < count; looked++) {
      let next = this.#round.next();
      if (next.done) {
        this.#round = paths.keys();
        next = this.#round.next();
        if (next.done) return;
      }
      const file = paths.get(next.value);
      if (file === undefined || this.#active.has(file)) continue;
      look(next.value);
      if (now - file.changedAt < ACTIVE_MS) this.#active.add(file);
    }
  }
}
