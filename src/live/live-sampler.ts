import type { Clock } from '../model/clock.ts';
import type { Live, LiveEvent, LiveQueue, LiveRates, LiveStats, Quantiles, Refusal } from './live.ts';
import { addLiveCounts, type Buckets, type LiveCounts, quantile, subtractBuckets } from './live-counts.ts';
import { createLiveHistory } from './live-history.ts';
import { MAX_REFUSALS } from './refusals.ts';

/** What one thread has seen: its counts so far, and the refusals since it was last asked. */
export interface LiveSample {
  readonly counts: LiveCounts;
  readonly refusals: readonly Refusal[];
}

export interface LiveWatch extends Omit<Live, 'tail'> {
  /** Looks once a second from now on. */
  start(): void;
  stop(): void;
  /** One look, as the timer has it. */
  tick(): Promise<void>;
}

export interface LiveOptions {
  /** Every thread, the one that stores among them. At least one. */
  readonly look: () => Promise<readonly [LiveSample, ...LiveSample[]]>;
  readonly pipeline: 1 | 2;
  readonly clock: Clock;
  /** Milliseconds on a clock that only goes forward. */
  readonly now: () => number;
}

const TICK_MS = 1_000;
/** What latency is told of. */
const WINDOW_SECONDS = 10;
const HISTORIES = [
  { stepSeconds: 1, rows: 300 },
  { stepSeconds: 10, rows: 360 },
];

/**
 * Looks at the counts once a second, also while nobody asks, so that there is a past to show: a fifth of a millisecond,
 * and 60 KiB for the past.
 */
export function createLive({ look, pipeline, clock, now }: LiveOptions): LiveWatch {
  const listeners = new Set<(event: LiveEvent) => void>();
  const histories = HISTORIES.map(createLiveHistory);
  const started = now();
  let refusals: readonly Refusal[] = [];
  let window: Moment[] = [];
  let timer: NodeJS.Timeout | undefined;
  let ticking: Promise<void> | undefined;

  const describe = (latest: Moment): LiveStats => {
    const previous = window.at(-2) ?? latest;
    const oldest = window[0] ?? latest;
    const seconds = Math.max((latest.at - previous.at) / 1_000, 0.001);
    const { values } = latest.counts;
    const rates = mapRates((name) => Math.max(0, values[name] - previous.counts.values[name]) / seconds);
    return {
      time: clock(),
      uptimeSeconds: (latest.at - started) / 1_000,
      rates,
      totals: mapRates((name) => values[name]),
      latency: quantiles(latest.counts.requests, oldest.counts.requests),
      sync: quantiles(latest.counts.syncs, oldest.counts.syncs),
      inFlightRecords: values.inFlightRecords,
      inFlightBytes: values.inFlightBytes,
      openFiles: values.openFiles,
      queue: pipeline === 2 ? queueOf(latest.counts) : null,
    };
  };

  const takeLook = async (): Promise<readonly Refusal[]> => {
    const looks = await look();
    const [first, ...others] = looks;
    const counts = addLiveCounts([first.counts, ...others.map((one) => one.counts)]);
    window = [...window, { at: now(), counts }].slice(-WINDOW_SECONDS - 1);
    const fresh = looks.flatMap((one) => one.refusals);
    if (looks.length > 1) fresh.sort((a, b) => b.time - a.time);
    refusals = [...fresh, ...refusals].slice(0, MAX_REFUSALS);
    return fresh.slice(0, MAX_REFUSALS);
  };

  const currentStats = (): LiveStats | undefined => {
    const latest = window.at(-1);
    return latest === undefined ? undefined : describe(latest);
  };

  const tell = (event: LiveEvent): void => {
    for (const listener of listeners) listener(event);
  };

  const tick = async (): Promise<void> => {
    const fresh = await takeLook();
    const stats = currentStats();
    if (stats === undefined) return;
    for (const history of histories) history.add(stats);
    tell({ kind: 'stats', stats });
    if (fresh.length > 0) tell({ kind: 'refusals', refusals: fresh });
  };

  /** A look that takes longer than a second is not overtaken by the next. */
  const tickOnce = (): Promise<void> => {
    ticking ??= tick().finally(() => {
      ticking = undefined;
    });
    return ticking;
  };

  return {
    tick: tickOnce,
    start() {
      // What a look cannot tell this second, it tells the next.
      const tickLater = () => void tickOnce().catch(() => undefined);
      timer = setInterval(tickLater, TICK_MS).unref();
      tickLater();
    },
    stop() {
      clearInterval(timer);
      listeners.clear();
    },
    async snapshot() {
      if (window.length === 0) await tickOnce();
      const stats = currentStats();
      if (stats === undefined) throw new Error('cannot look at the service: nothing was counted yet');
      return { stats, history: histories.map((history) => history.read()), refusals };
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

interface Moment {
  readonly at: number;
  readonly counts: LiveCounts;
}

function mapRates(read: (name: keyof LiveRates) => number): LiveRates {
  return {
    batches: read('batches'),
    refusedBatches: read('refusedBatches'),
    failedBatches: read('failedBatches'),
    bytes: read('bytes'),
    accepted: read('accepted'),
    stored: read('stored'),
    rejected: read('rejected'),
    deadLettered: read('deadLettered'),
    duplicate: read('duplicate'),
  };
}

function quantiles(now: Buckets, before: Buckets): Quantiles | null {
  const recent = subtractBuckets(now, before);
  const p50 = quantile(recent, 0.5);
  const p99 = quantile(recent, 0.99);
  return p50 === undefined || p99 === undefined ? null : { p50, p99 };
}

function queueOf({ values, breaker }: LiveCounts): LiveQueue {
  return {
    up: values.brokersUp > 0,
    lagMessages: values.lagMessages,
    lagSeconds: values.lagSeconds,
    breaker,
    spoolBytes: values.spoolBytes,
    spoolBatches: values.spoolBatches,
    spoolAgeSeconds: values.spoolAgeSeconds,
  };
}
