import type { Clock } from '../model/clock.ts';
import { type KindSamples, mapKinds, mergeSamples, RECORD_KINDS } from '../model/record-kinds.ts';
import type {
  InputRates,
  Live,
  LiveEvent,
  LiveInput,
  LiveQueue,
  LiveRates,
  LiveStats,
  LiveStream,
  Quantiles,
  Refusal,
  SourceFigures,
} from './live.ts';
import { addLiveCounts, type Buckets, type LiveCounts, quantile, subtractBuckets } from './live-counts.ts';
import { createLiveHistory } from './live-history.ts';
import { MAX_REFUSALS } from './refusals.ts';
import { type SourceCounts, SourceTable, toSourceFigures } from './source-table.ts';

/** What one thread has counted: its counts so far, and the refusals since the sample before. */
export interface LiveSample {
  readonly counts: LiveCounts;
  readonly refusals: readonly Refusal[];
  readonly lines: KindSamples;
  /** Of HTTP, where sources are counted. */
  readonly sources?: readonly SourceCounts[] | undefined;
}

export interface LiveWatch extends Omit<Live, 'tail'> {
  /** Clients of HTTP and inputs, as of the last sample; undefined where they are not counted. */
  sources(): readonly SourceFigures[] | undefined;
  /** Takes a sample once a second from now on. */
  start(): void;
  stop(): void;
  /** Takes one sample, as the timer does. */
  tick(): Promise<void>;
}

export interface LiveOptions {
  /** Takes a sample of every thread, the one that stores among them. At least one. */
  readonly sample: () => Promise<readonly [LiveSample, ...LiveSample[]]>;
  readonly pipeline: 'direct' | 'queued';
  /** Whether sources are counted. */
  readonly hasSources?: boolean;
  readonly clock: Clock;
  /** Milliseconds on a clock that only goes forward. */
  readonly now: () => number;
}

const TICK_MS = 1_000;
/** Latency is that of so many seconds. */
const WINDOW_SECONDS = 10;
const HISTORIES = [
  { stepSeconds: 1, rows: 300 },
  { stepSeconds: 10, rows: 360 },
];

/**
 * Samples the counts once a second, also while nobody asks, so that there is a past to show. A sample costs a fifth of a millisecond, and
 * the past 60 KiB.
 */
export function createLive(options: LiveOptions): LiveWatch {
  const listeners = new Set<(event: LiveEvent) => void>();
  const histories = HISTORIES.map(createLiveHistory);
  const recent = new RecentSamples(options);
  let timer: NodeJS.Timeout | undefined;
  let ticking: Promise<void> | undefined;

  const tell = (event: LiveEvent): void => {
    for (const listener of listeners) listener(event);
  };

  const tick = async (): Promise<void> => {
    const { newRefusals, hasNewLines } = await recent.take();
    const stats = recent.stats();
    if (stats === undefined) return;
    for (const history of histories) history.add(stats);
    tell({ kind: 'stats', stats });
    if (newRefusals.length > 0) tell({ kind: 'refusals', refusals: newRefusals });
    if (hasNewLines) tell({ kind: 'samples', samples: recent.lines });
  };

  /** Where a sample takes longer than a second, the next waits for it. */
  const tickOnce = (): Promise<void> => {
    ticking ??= tick().finally(() => {
      ticking = undefined;
    });
    return ticking;
  };

  return {
    tick: tickOnce,
    start() {
      // A sample that fails is made good by the next one.
      const tickInBackground = () => void tickOnce().catch(() => undefined);
      timer = setInterval(tickInBackground, TICK_MS).unref();
      tickInBackground();
    },
    stop() {
      clearInterval(timer);
      listeners.clear();
    },
    async snapshot() {
      if (recent.stats() === undefined) await tickOnce();
      const stats = recent.stats();
      if (stats === undefined) throw new Error('cannot show live figures: no sample was taken yet');
      const { refusals, lines } = recent;
      return { stats, history: histories.map((history) => history.read()), refusals, samples: lines };
    },
    sources: () => recent.sources(),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** The counts of all threads at one time. */
interface Moment {
  /** On the clock that only goes forward, in milliseconds. */
  readonly at: number;
  readonly counts: LiveCounts;
}

/** The samples of the last WINDOW_SECONDS, and the last refusals. */
class RecentSamples {
  readonly #options: LiveOptions;
  readonly #started: number;
  #window: readonly Moment[] = [];
  /** What inputs have sent; undefined where sources are not counted. */
  readonly #inputs: SourceTable | undefined;
  /** Of HTTP, by threads. */
  #clients: readonly (readonly SourceCounts[])[] = [];
  /** Newest first. */
  refusals: readonly Refusal[] = [];
  lines: KindSamples = mapKinds(() => []);

  constructor(options: LiveOptions) {
    this.#options = options;
    this.#started = options.now();
    if (options.hasSources === true) this.#inputs = new SourceTable({ clock: options.clock });
  }

  sources(): readonly SourceFigures[] | undefined {
    return this.#inputs && toSourceFigures([...this.#clients, this.#inputs.read()]);
  }

  /** Takes a sample of every thread. Gives the refusals since the sample before, newest first, and whether there are other lines. */
  async take(): Promise<{ readonly newRefusals: readonly Refusal[]; readonly hasNewLines: boolean }> {
    const samples = await this.#options.sample();
    const [first, ...others] = samples;
    const counts = addLiveCounts([first.counts, ...others.map((sample) => sample.counts)]);
    this.#noteInputs(counts.inputs);
    this.#clients = samples.flatMap(({ sources }) => (sources === undefined ? [] : [sources]));
    this.#window = [...this.#window, { at: this.#options.now(), counts }].slice(-WINDOW_SECONDS - 1);
    const newRefusals = samples.flatMap((sample) => sample.refusals);
    if (samples.length > 1) newRefusals.sort((a, b) => b.time - a.time);
    this.refusals = [...newRefusals, ...this.refusals].slice(0, MAX_REFUSALS);
    const before = this.lines;
    this.lines = mergeSamples(samples.map(({ lines }) => lines));
    const hasNewLines = RECORD_KINDS.some((kind) => this.lines[kind][0]?.time !== before[kind][0]?.time);
    return { newRefusals: newRefusals.slice(0, MAX_REFUSALS), hasNewLines };
  }

  /** Adds what inputs have counted since the sample before. */
  #noteInputs(inputs: LiveCounts['inputs']): void {
    if (this.#inputs === undefined) return;
    const before = this.#window.at(-1)?.counts.inputs ?? {};
    for (const [name, { records, bytes }] of Object.entries(inputs)) {
      const news = records - (before[name]?.records ?? 0);
      if (news > 0) this.#inputs.note(name, news, Math.max(0, bytes - (before[name]?.bytes ?? 0)));
    }
  }

  /** What the samples say of the service; undefined before the first. */
  stats(): LiveStats | undefined {
    const window = this.#window;
    const latest = window.at(-1);
    if (latest === undefined) return undefined;
    const previous = window.at(-2) ?? latest;
    const oldest = window[0] ?? latest;
    const seconds = Math.max((latest.at - previous.at) / 1_000, 0.001);
    const { values } = latest.counts;
    return {
      time: this.#options.clock(),
      uptimeSeconds: (latest.at - this.#started) / 1_000,
      rates: mapRates((name) => Math.max(0, values[name] - previous.counts.values[name]) / seconds),
      totals: mapRates((name) => values[name]),
      latency: quantiles(latest.counts.requests, oldest.counts.requests),
      sync: quantiles(latest.counts.syncs, oldest.counts.syncs),
      inFlightRecords: values.inFlightRecords,
      inFlightBytes: values.inFlightBytes,
      openFiles: values.openFiles,
      streams: streamsOf(latest.counts, previous.counts, seconds),
      recordLatency: meanLatency(latest.counts, oldest.counts),
      kinds: RECORD_KINDS.map((kind) => ({
        kind,
        rate: Math.max(0, latest.counts.kinds[kind] - previous.counts.kinds[kind]) / seconds,
        total: latest.counts.kinds[kind],
      })),
      inputs: inputsOf(latest.counts, previous.counts, seconds),
      dropped: values.dropped,
      queue: this.#options.pipeline === 'queued' ? queueOf(latest.counts) : null,
    };
  }
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

function streamsOf({ streams }: LiveCounts, before: LiveCounts, seconds: number): readonly LiveStream[] {
  return Object.entries(streams).map(([name, totals]) => {
    const rate = (of: 'stored' | 'bytes') => Math.max(0, totals[of] - (before.streams[name]?.[of] ?? 0)) / seconds;
    return { name, rates: { stored: rate('stored'), bytes: rate('bytes') }, totals };
  });
}

/** Of the records that were accepted between two samples, in seconds. */
function meanLatency({ values: now }: LiveCounts, { values: before }: LiveCounts): number | null {
  const records = now.accepted - before.accepted;
  return records <= 0 ? null : Math.max(0, now.latencySeconds - before.latencySeconds) / records;
}

function inputsOf({ inputs }: LiveCounts, before: LiveCounts, seconds: number): readonly LiveInput[] {
  return Object.entries(inputs).map(([name, counts]) => {
    const { records, bytes, dropped, refused, ...gauges } = counts;
    const rate = (of: keyof InputRates) => Math.max(0, counts[of] - (before.inputs[name]?.[of] ?? 0)) / seconds;
    const rates = {
      records: rate('records'),
      bytes: rate('bytes'),
      dropped: rate('dropped'),
      refused: rate('refused'),
    };
    return { name, rates, totals: { records, bytes, dropped, refused }, ...gauges };
  });
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
