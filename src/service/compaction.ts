import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { type Clock, elapsedClock } from '../model/clock.ts';
import { type Hour, type HourKey, hourKey, hourToIso, MS_PER_HOUR, type StreamHour } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import type { Compaction } from '../repo/repo.ts';

/** An hour that has a plain file; plain-hours.ts says more. */
interface Candidate {
  readonly stream: StreamName;
  readonly hour: Hour;
  readonly bytes: number;
  readonly isAtRest: boolean;
  readonly hasLeftovers: boolean;
}

export interface CompactionOptions {
  readonly repo: Compaction;
  /** The streams whose plain hours are compressed, and after how many milliseconds without a record. */
  readonly streams: ReadonlyMap<StreamName, number>;
  /** Other streams: what an interrupted compression left is deleted once, for the setting may have been on before. */
  readonly others: readonly StreamName[];
  readonly list: (at: {
    readonly stream: StreamName;
    readonly restMs: number;
    readonly now: number;
  }) => AsyncIterable<Candidate>;
  /** Whether retention has removed the hour: its file may be cut and deleted while it is read. */
  readonly isRemoved: (at: StreamHour) => boolean;
  /** Free bytes of the file system of the hours. */
  readonly readFreeBytes: () => Promise<number>;
  readonly clock: Clock;
  /** Milliseconds that pass, also when the clock jumps. */
  readonly elapsed?: () => number;
  /** Between two runs, milliseconds; more when the run before took long. */
  readonly interval?: number;
  readonly metrics: Pick<Metrics, 'compactedHours' | 'compactedBytes' | 'compactionFailures'>;
  readonly log: Log;
}

export interface CompactionRunner {
  /** Runs at once, and then now and then. */
  start(): void;
  /** One run. Never rejects: what fails is logged, counted and tried again in the next. */
  run(): Promise<void>;
  /** The hour under way stays plain. Resolves when nothing is written any more. */
  stop(): Promise<void>;
}

const INTERVAL_MS = 60_000;
/** The search takes no more than this part of the time. */
const PAUSE_FACTOR = 50;
/** An hour that fails waits twice as long after each failure, up to this: packing some gigabytes in vain costs much. */
const MAX_RETRY_MS = MS_PER_HOUR;
/** Hours whose failures are remembered. */
const MAX_FAILED = 1_000;
/** Commits need room too. */
const SPARE_BYTES = 64 * 1024 * 1024;

/** Makes compressed hours of the plain ones that are at rest, one after the other, oldest first. */
export function createCompaction(options: CompactionOptions): CompactionRunner {
  const { repo, streams, others, list, clock, interval = INTERVAL_MS, log } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const retries = createRetries({ interval, elapsed: options.elapsed ?? elapsedClock });
  let running: Promise<void> = Promise.resolve();

  async function run(): Promise<void> {
    for (const [stream, restMs] of streams) {
      try {
        for await (const hour of list({ stream, restMs, now: clock() })) {
          if (signal.aborted) return;
          if (retries.isDue(hour)) retries.note(hour, await compressOne(options, hour, signal));
        }
      } catch (err) {
        if (!signal.aborted) log.error('cannot look for hours to compress; will retry', { stream, err });
      }
    }
  }

  async function cleanOthers(): Promise<void> {
    for (const stream of others) {
      try {
        for await (const { hour, hasLeftovers } of list({ stream, restMs: 0, now: clock() })) {
          if (signal.aborted) return;
          if (hasLeftovers) await repo.clean({ stream, hour }, signal);
        }
      } catch (err) {
        if (!signal.aborted) log.error('cannot delete what an interrupted compression left', { stream, err });
      }
    }
  }

  async function repeat(): Promise<void> {
    await cleanOthers();
    if (streams.size === 0) return;
    while (!signal.aborted) {
      const began = performance.now();
      await run();
      const pause = Math.max(interval, (performance.now() - began) * PAUSE_FACTOR);
      await sleep(pause, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  return {
    start() {
      running = repeat();
    },
    run,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** When the hours that failed are tried again. */
function createRetries({ interval, elapsed }: { readonly interval: number; readonly elapsed: () => number }) {
  const failed = new Map<HourKey, { readonly next: number; readonly waited: number }>();
  return {
    isDue: (at: StreamHour) => elapsed() >= (failed.get(hourKey(at))?.next ?? 0),
    note(at: StreamHour, isDone: boolean): void {
      const key = hourKey(at);
      const waited = Math.min(MAX_RETRY_MS, (failed.get(key)?.waited ?? interval / 2) * 2);
      failed.delete(key);
      if (!isDone) failed.set(key, { next: elapsed() + waited, waited });
      const [oldest] = failed.keys();
      if (failed.size > MAX_FAILED && oldest !== undefined) failed.delete(oldest);
    },
  };
}

/** False when it failed. */
async function compressOne(
  { repo, isRemoved, readFreeBytes, metrics, log }: CompactionOptions,
  { stream, hour, bytes, isAtRest, hasLeftovers }: Candidate,
  signal: AbortSignal,
): Promise<boolean> {
  const at = { stream, hour };
  const fields = { stream, hour: hourToIso(hour) };
  try {
    if (hasLeftovers) await repo.clean(at, signal);
    if (!isAtRest) return true;
    // Lines that cannot be compressed take as much again until the plain file is deleted.
    if ((await readFreeBytes()) < bytes + SPARE_BYTES) {
      log.warn('an hour is not compressed: the disk has no room for both forms', { ...fields, bytes });
      return true;
    }
    const done = await repo.compress(at, signal);
    if (done === undefined) return true;
    metrics.compactedHours.labels(stream).inc();
    metrics.compactedBytes.labels(stream, 'before').inc(done.from);
    metrics.compactedBytes.labels(stream, 'after').inc(done.to);
    log.info('compressed an hour', { ...fields, before: done.from, after: done.to, fold: false });
    return true;
  } catch (err) {
    if (signal.aborted) return false;
    if (isRemoved(at)) return true;
    metrics.compactionFailures.inc();
    log.error('cannot compress an hour, or delete the plain file of a compressed one; will retry', {
      ...fields,
      err,
    });
    return false;
  }
}
