import { stat } from 'node:fs/promises';
import { fileVersion, type OpenFile, openBytes, openFile } from '../disk/open-file.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { type HourKey, hourKey, hourToIso, type StreamHour } from '../model/hour.ts';
import { isDefaultStream, type StreamName } from '../model/stream.ts';
import { SummaryFormatError } from '../model/summary.ts';
import type { Handlers } from '../runtime/channel.ts';
import { createThread, withCauses } from '../runtime/thread.ts';
import type {
  Analytics,
  AnalyticsAnswer,
  AnalyticsQuestion,
  Breakdown,
  BreakdownQuestion,
  Damaged,
  RangeSum,
  Series,
  SeriesQuestion,
} from './analytics.ts';
import type { HourSeries, HourSum, SumQuestion } from './sum-hours.ts';

/** Answers that can go to another thread: a text as its bytes, or as a file that is still to be opened. */
export interface AnalyticsSource {
  ask(question: AnalyticsQuestion): Promise<FoundAnswer>;
  breakdown: Analytics['breakdown'];
  series: Analytics['series'];
}

export type FoundAnswer = Exclude<AnalyticsAnswer, { readonly kind: 'text' }> | FoundText;

/** `version`: the file is the one meant while it has this version. `temporary`: whoever opens it removes it. */
export type FoundText =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly bytes: number;
      readonly version?: string;
      readonly temporary: boolean;
    };

export interface OwnedAnalytics extends AnalyticsSource {
  /** Ends its thread. */
  stop(): Promise<void>;
}

/** Questions that wait for the thread, and how long one may: milliseconds. It answers one at a time. */
const MAX_WAITING = 64;
const MAX_WAIT_MS = 30_000;
/** Summary files that need not be read again before they are served. */
const MAX_CHECKED = 10_000;

/**
 * Answers from the summary files, by a thread of its own. The thread checks a summary once for each of its versions, adds up ranges, and
 * writes a large answer to a file, so that no large text passes through this thread. `entry` is a module that serves the calls of serveSums.
 */
export function createAnalytics(options: {
  readonly entry: URL;
  readonly workerData: unknown;
  readonly heapMiB?: number;
  /** Told of each summary that cannot be used, whenever a question meets it. */
  readonly onDamaged: (at: StreamHour) => void;
  readonly metrics: Pick<Metrics, 'damagedSummaries' | 'analyticsRefused'>;
  readonly log: Pick<Log, 'error'>;
  readonly maxWaiting?: number;
  readonly maxWaitMs?: number;
}): OwnedAnalytics {
  const { onDamaged, metrics, log, maxWaiting = MAX_WAITING, maxWaitMs = MAX_WAIT_MS } = options;
  const thread = createThread<SumCalls>({ ...options, name: 'analytics' });
  const checked = createChecked();
  const inTurn = createTurns({ maxWaiting, maxWaitMs });

  function report({ stream, hours }: Pick<Damaged, 'stream' | 'hours'>): void {
    metrics.damagedSummaries.inc(hours.length);
    for (const hour of hours) {
      const fields = { ...(!isDefaultStream(stream) && { stream }), hour: hourToIso(hour) };
      log.error('a summary is damaged; its hour will be counted again', fields);
      onDamaged({ stream, hour });
    }
  }

  async function call<T extends { readonly kind: string }>(work: () => Promise<T>) {
    const answer = await inTurn(work);
    if (answer === undefined) {
      metrics.analyticsRefused.inc();
      return { kind: 'busy' } as const;
    }
    if (isDamaged(answer)) report(answer);
    return answer;
  }

  return {
    async ask(question) {
      const known = await checked.find(question);
      if (known !== undefined) return known;
      const answer = await call(() => thread.remote.answer(question));
      if (answer.kind === 'file' && !answer.temporary) checked.remember(hourOf(question), answer);
      return answer;
    },
    breakdown: (question) => call(() => thread.remote.breakdown(question)),
    async series(question) {
      const answer = await call(() => thread.remote.series(question));
      if (answer.kind !== 'series') return answer;
      const { unusable, ...series } = answer;
      report({ stream: question.stream, hours: unusable });
      return series;
    },
    stop: () => thread.stop(),
  };
}

type FoundFile = Extract<FoundText, { readonly kind: 'file' }>;

/** The first hour of a question. */
function hourOf({ stream, from }: AnalyticsQuestion): HourKey {
  return hourKey({ stream, hour: from });
}

/** Summary files that were checked, as long as they do not change. */
function createChecked() {
  const checked = new Map<HourKey, FoundFile>();
  return {
    async find(question: AnalyticsQuestion): Promise<FoundFile | undefined> {
      const { kind, top, format } = question;
      const isFile = kind === 'hour' && top === undefined && format === 'json';
      const found = isFile ? checked.get(hourOf(question)) : undefined;
      if (found === undefined) return undefined;
      const stats = await stat(found.path).catch(() => undefined);
      return stats !== undefined && fileVersion(stats) === found.version ? found : undefined;
    },
    remember(hour: HourKey, found: FoundFile): void {
      checked.delete(hour);
      checked.set(hour, found);
      for (const oldest of checked.keys()) {
        if (checked.size <= MAX_CHECKED) break;
        checked.delete(oldest);
      }
    },
  };
}

function isDamaged(answer: { readonly kind: string }): answer is Damaged {
  return answer.kind === 'damaged';
}

/** Does one thing at a time, in the order of the calls. Gives undefined where too many wait, or one has waited for too long. */
function createTurns({ maxWaiting, maxWaitMs }: { readonly maxWaiting: number; readonly maxWaitMs: number }) {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();

  return async function inTurn<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (waiting >= maxWaiting) return undefined;
    waiting += 1;
    const since = performance.now();
    const turn = last.then(() => {
      waiting -= 1;
      return performance.now() - since > maxWaitMs ? undefined : work();
    });
    last = turn.catch(() => undefined);
    return turn;
  };
}

/** A summary that is replaced between its check and its opening is looked up again, at most so often. */
const ATTEMPTS = 5;

/** Analytics whose texts are open: in the thread that sends them, since a file belongs to the thread that opened it. */
export function openAnalytics(source: AnalyticsSource): Analytics {
  return {
    async ask(question) {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const found = await source.ask(question);
        if (found.kind !== 'bytes' && found.kind !== 'file') return found;
        const text = await openText(found);
        if (text !== undefined) return { kind: 'text', text };
      }
      return { kind: 'busy' };
    },
    breakdown: (question) => source.breakdown(question),
    series: (question) => source.series(question),
  };
}

async function openText(found: FoundText): Promise<OpenFile | undefined> {
  if (found.kind === 'bytes') return openBytes(found.bytes);
  const file = await openFile(found.path, { remove: found.temporary });
  if (file === undefined || found.version === undefined || found.version === file.version) return file;
  await file.close();
  return undefined;
}

/** The calls that the analytics thread answers. */
export interface SumCalls {
  answer(question: AnalyticsQuestion): FoundAnswer;
  breakdown(question: BreakdownQuestion): Breakdown | Damaged;
  series(question: SeriesQuestion): FoundSeries | NoDimension;
}

/** With the hours whose summary cannot be used. */
type FoundSeries = Series & Pick<HourSeries, 'unusable'>;
type NoDimension = Exclude<Awaited<ReturnType<Analytics['series']>>, { readonly kind: 'series' | 'busy' }>;

/** What the thread works with. Handed in, because other rooms own it. */
export interface SumParts {
  readonly sumHours: (question: SumQuestion) => HourSum;
  readonly sumSeries: (question: SeriesQuestion) => HourSeries;
  /** What the stream is counted by now. */
  readonly countBy: (stream: StreamName) => readonly string[];
  /** The summary file of an hour, if it is the one that was written. Throws SummaryFormatError. */
  readonly check: (
    at: StreamHour,
  ) => { readonly path: string; readonly version: string; readonly bytes: number } | undefined;
  readonly writeText: (question: AnalyticsQuestion, sum: RangeSum) => Iterable<string>;
  /** Takes a text in pieces: into memory when it is small, else into a temporary file. */
  readonly keepText: (pieces: Iterable<string>) => FoundText;
}

/** The other end: answers the calls of createAnalytics. */
export function serveSums(parts: SumParts): Handlers<SumCalls> {
  return {
    answer: async (question) => attempt(() => answer(parts, question)),
    breakdown: async (question) => attempt(() => breakDown(parts, question)),
    series: async (question) => attempt(() => findSeries(parts, question)),
  };
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw withCauses(error);
  }
}

function answer({ sumHours, check, writeText, keepText }: SumParts, question: AnalyticsQuestion): FoundAnswer {
  const { kind, stream, from, to, top, format } = question;
  if (kind === 'hour' && top === undefined && format === 'json') return findFile(check, { stream, hour: from });
  const { unusable, ...sum } = sumHours({ stream, from, to, top });
  if (unusable.length > 0) return { kind: 'damaged', stream, hours: unusable };
  if (kind === 'hour' && sum.hours === 0) return { kind: 'none' };
  return keepText(writeText(question, sum));
}

function findFile(check: SumParts['check'], at: StreamHour): FoundAnswer {
  try {
    const found = check(at);
    return found === undefined ? { kind: 'none' } : { kind: 'file', ...found, temporary: false };
  } catch (error) {
    if (!(error instanceof SummaryFormatError)) throw error;
    return { kind: 'damaged', stream: at.stream, hours: [at.hour] };
  }
}

/** A path may have 256 KiB, and no table shows that. */
const MAX_CELL_CHARS = 2_048;

function breakDown({ sumHours }: SumParts, question: BreakdownQuestion): Breakdown | Damaged {
  const { stream, from, to, rows, search } = question;
  const sum = sumHours({ stream, from, to, top: rows, search, audience: true });
  if (sum.unusable.length > 0) return { kind: 'damaged', stream, hours: sum.unusable };
  return {
    kind: 'breakdown',
    hours: sum.hours,
    total: sum.total,
    skippedLines: sum.source.skippedLines,
    dimensions: sum.dimensions.map(({ name, counts, distinct }) => ({
      name,
      largest: Array.from(counts, ([value, count]) => [cut(value), count] as const),
      distinct,
    })),
    ...(sum.audience && { audience: { ...sum.audience, botUserAgents: sum.audience.botUserAgents.map(cut) } }),
  };
}

function findSeries({ sumSeries, countBy }: SumParts, question: SeriesQuestion): FoundSeries | NoDimension {
  const dimensions = countBy(question.stream);
  if (!dimensions.includes(question.dimension)) return { kind: 'no-dimension', dimensions };
  const series = sumSeries(question);
  return { kind: 'series', ...series, values: series.values.map(cut) };
}

function cut(text: string): string {
  return text.length > MAX_CELL_CHARS ? `${text.slice(0, MAX_CELL_CHARS)}…` : text;
}
