import { setTimeout as pause } from 'node:timers/promises';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { type DiskUse, HOUR_FORMS, OTHER_USES, type ReadDiskUse } from '../model/disk-use.ts';
import { ACCESS_STREAM, type StreamName } from '../model/stream.ts';
import { DiskWalk, type WalkFolders } from '../repo/disk-walk.ts';

/** Walks over the folders of the service all the time, slowly, and says how many bytes they hold. */
export interface DiskWatch {
  start(): void;
  /** Resolves when no step is under way. */
  stop(): Promise<void>;
  readonly read: ReadDiskUse;
}

/** A step is followed by a pause that is so many times as long: so a walk takes less than 2 % of a core, however much there is. */
const PAUSE_FACTOR = 50;
/** Between two walks at least, ms. */
const WALK_PAUSE_MS = 2_000;

export function createDiskWatch(options: {
  readonly folders: WalkFolders;
  /** Those that are configured. */
  readonly streams: readonly StreamName[];
  readonly metrics: Pick<Metrics, 'diskBytes' | 'diskOtherBytes'>;
  readonly log: Pick<Log, 'warn'>;
  /** Unix ms. */
  readonly clock: () => number;
  /** Milliseconds on a clock that only goes forward. */
  readonly now?: () => number;
  /** Waits for so many milliseconds; rejects when `signal` aborts. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}): DiskWatch {
  const { folders, streams, metrics, log, clock, now = () => performance.now(), sleep = sleepUnreferenced } = options;
  const walk = new DiskWalk(folders, streams);
  const stopping = new AbortController();
  const { signal } = stopping;
  let running: Promise<void> | undefined;

  async function walkOnce(): Promise<void> {
    const steps = walk.steps(clock);
    for (;;) {
      const began = now();
      const { done } = await steps.next();
      if (signal.aborted) return;
      if (done) break;
      await sleep((now() - began) * PAUSE_FACTOR, signal);
    }
    show(walk.use(ACCESS_STREAM.name), metrics);
  }

  async function walkForever(): Promise<void> {
    for (;;) {
      try {
        await walkOnce();
      } catch (err) {
        // The next walk may succeed. The log folds what is repeated.
        if (!signal.aborted) log.warn('cannot read how much is on disk; will retry', { err });
      }
      if (signal.aborted) return;
      await sleep(WALK_PAUSE_MS, signal).catch(() => undefined);
    }
  }

  return {
    start() {
      running ??= walkForever();
    },
    async stop() {
      stopping.abort();
      await running;
    },
    read: async (stream) => walk.use(stream),
  };
}

function sleepUnreferenced(ms: number, signal: AbortSignal): Promise<unknown> {
  return pause(ms, undefined, { signal, ref: false });
}

function show(
  { streams, other }: DiskUse,
  { diskBytes, diskOtherBytes }: Pick<Metrics, 'diskBytes' | 'diskOtherBytes'>,
) {
  for (const { name, ...bytes } of streams)
    for (const form of HOUR_FORMS) diskBytes.labels(name, form).set(bytes[form]);
  for (const what of OTHER_USES) diskOtherBytes.labels(what).set(other[what]);
}
