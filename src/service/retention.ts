import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../model/clock.ts';
import { MS_PER_HOUR } from '../model/hour.ts';
import { type RetentionRunOptions, runRetention } from './retention-run.ts';

export interface RetentionOptions extends RetentionRunOptions {
  /** Between two runs: milliseconds. Undefined: there is only one. */
  readonly interval: number | undefined;
  readonly clock: Clock;
  /** Milliseconds that never jump. */
  readonly elapsed: Clock;
}

export interface RetentionRunner {
  /** Runs at once, and then at each interval. */
  start(): void;
  /** One run. Never rejects: what fails is logged, counted and tried again in the next. */
  run(): Promise<void>;
  /** What is not as it should be, for people; undefined when all is. */
  status(): string | undefined;
  /** Begins no removal any more. Resolves when the present one is done. */
  stop(): Promise<void>;
}

/** In each run the time follows a clock that jumped forward by this much: a clock that goes wrong must not remove everything at once. The first run has nothing to hold it against. */
const MAX_JUMP_MS = MS_PER_HOUR;

/**
 * Removes whole hours, oldest first: the journal keeps that an hour is removed, then its files go. What a kill left of them, the next run
 * deletes. One run at a time.
 */
export function createRetention(options: RetentionOptions): RetentionRunner {
  const { interval, log } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const now = createFollowingClock(options);
  let problems: readonly string[] = [];
  let running: Promise<void> = Promise.resolve();

  async function run(): Promise<void> {
    const found = await runRetention(options, { now: now(), signal });
    const news = found.filter((problem) => !problems.includes(problem));
    problems = found;
    for (const problem of news) log.warn('retention cannot do all that is configured', { problem, fold: problem });
  }

  async function repeat(): Promise<void> {
    await run();
    while (interval !== undefined && !signal.aborted) {
      await sleep(interval, undefined, { signal, ref: false }).catch(() => undefined);
      if (!signal.aborted) await run();
    }
  }

  return {
    start() {
      running = repeat();
    },
    run,
    status: () => (problems.length === 0 ? undefined : problems.join('; ')),
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** A clock that jumped forward is followed by MAX_JUMP_MS in each call. */
function createFollowingClock({ clock, elapsed, log }: RetentionOptions): Clock {
  let known: { readonly time: number; readonly at: number } | undefined;
  return function followingClock() {
    const [time, at] = [clock(), elapsed()];
    const latest = known === undefined ? time : known.time + (at - known.at) + MAX_JUMP_MS;
    const message = 'the clock jumped forward; retention follows it by an hour in each run';
    if (time > latest) log.warn(message, { aheadMs: Math.round(time - latest), fold: 'retention clock' });
    known = { time: Math.min(time, latest), at };
    return known.time;
  };
}
