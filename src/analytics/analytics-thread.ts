import { stat } from 'node:fs/promises';
import { fileVersion, type OpenFile, openBytes, openFile } from '../disk/open-file.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { type Hour, hourToIso } from '../model/hour.ts';
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
} from './analytics.ts';
import type { HourSum, SumQuestion } from './sum-hours.ts';

/** Answers that can go to another thread: a text as its bytes, or as a file that is still to be opened. */
export interface AnalyticsSource {
  ask(question: AnalyticsQuestion): Promise<FoundAnswer>;
  breakdown: Analytics['breakdown'];
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
  readonly onDamaged: (hour: Hour) => void;
  readonly metrics: Pick<Metrics, 'damagedSummaries' | 'analyticsRefused'>;
  readonly log: Pick<Log, 'error'>;
  readonly maxWaiting?: number;
  readonly maxWaitMs?: number;
}): OwnedAnalytics {
  const { onDamaged, metrics, log, maxWaiting = MAX_WAITING, maxWaitMs = MAX_WAIT_MS } = options;
  const thread = createThread<SumCalls>({ ...options, name: 'analytics' });
  const checked = createChecked();
  const inTurn = createTurns({ maxWaiting, maxWaitMs });

  function report({ hours }: Damaged): void {
    metrics.damagedSummaries.inc(hours.length);
    for (const hour of hours) {
      log.error('a summary is damaged; its hour will be counted again', { hour: hourToIso(hour) });
      onDamaged(hour);
    }
  }

  async function call<T extends { readonly kind: string }>(work: () => Promise<T | Damaged>) {
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
      if (answer.kind === 'file' && !answer.temporary) checked.remember(question.from, answer);
      return answer;
    },
    breakdown: (question) => call(() => thread.remote.breakdown(question)),
    stop: () => thread.stop(),
  };
}

type FoundFile = Extract<FoundText, { readonly kind: 'file' }>;

/** Summary files that were checked, as long as they do not change. */
function createChecked() {
  const checked = new Map<Hour, FoundFile>();
  return {
    async find({ kind, from, top, format }: AnalyticsQuestion): Promise<FoundFile | undefined> {
      const found = kind === 'hour' && top === undefined && format === 'json' ? checked.get(from) : undefined;
      if (found === undefined) return undefined;
      const stats = await stat(found.path).catch(() => undefined);
      return stats !== undefined && fileVersion(stats) === found.version ? found : undefined;
    },
    remember(hour: Hour, found: FoundFile): void {
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
}

/** What the thread works with. Handed in, because other rooms own it. */
export interface SumParts {
  readonly sumHours: (question: SumQuestion) => HourSum;
  /** The summary file of an hour, if it is the one that was written. Throws SummaryFormatError. */
  readonly check: (
    hour: Hour,
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
  const { kind, from, to, top, format } = question;
  if (kind === 'hour' && top === undefined && format === 'json') return findFile(check, from);
  const { unusable, other, ...sum } = sumHours({ from, to, top });
  if (unusable.length > 0) return { kind: 'damaged', hours: unusable };
  if (kind === 'hour' && sum.hours === 0) return { kind: 'none' };
  const isWhole = top === undefined && other.requestsPerPath === 0 && other.requestsPerUserAgent === 0;
  return keepText(writeText(question, isWhole ? sum : { ...sum, other }));
}

function findFile(check: SumParts['check'], hour: Hour): FoundAnswer {
  try {
    const found = check(hour);
    return found === undefined ? { kind: 'none' } : { kind: 'file', ...found, temporary: false };
  } catch (error) {
    if (!(error instanceof SummaryFormatError)) throw error;
    return { kind: 'damaged', hours: [hour] };
  }
}

/** A path may have 256 KiB, and no table shows that. */
const MAX_CELL_CHARS = 2_048;

function breakDown({ sumHours }: SumParts, question: BreakdownQuestion): Breakdown | Damaged {
  const { from, to, rows, search } = question;
  const sum = sumHours({ from, to, top: rows, search, audience: true });
  if (sum.unusable.length > 0) return { kind: 'damaged', hours: sum.unusable };
  const bots = new Set(sum.audience?.botUserAgents);
  const { people = 0, bots: robots = 0, unknown = 0 } = sum.audience ?? {};
  return {
    kind: 'breakdown',
    hours: sum.hours,
    totalRequests: sum.totalRequests,
    skippedLines: sum.source.skippedLines,
    paths: Array.from(sum.requestsPerPath, ([path, count]) => [cut(path), count] as const),
    userAgents: Array.from(sum.requestsPerUserAgent, ([name, count]) => [cut(name), count, bots.has(name)] as const),
    distinct: sum.distinct,
    audience: { people, bots: robots, unknown },
  };
}

function cut(text: string): string {
  return text.length > MAX_CELL_CHARS ? `${text.slice(0, MAX_CELL_CHARS)}…` : text;
}
