import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { type HourKey, hourKey, hourToIso, type StreamHour } from '../model/hour.ts';
import { isDefaultStream, type StreamName } from '../model/stream.ts';
import type { ChangedHour, Repo } from '../repo/repo.ts';
import type { AggregationRun } from './analytics.ts';
import { createBackground, type Recount } from './recount.ts';
import type { HourReport } from './summarise-hour.ts';
import type { SummariserThread } from './summarise-thread.ts';

export interface Aggregator {
  /** Runs at once and then every interval, counted from the end of one run to the start of the next. */
  start(): void;
  /** One run over all that is committed now. It waits for a run that is under way. Hours that fail do not fail the run. */
  run(): Promise<AggregationRun>;
  /** The next run looks at the summary of this hour too, and counts the hour again where the summary cannot be used. */
  countAgain(at: StreamHour): void;
  /** Starts no run any more, and ends the present one after its current read or write. A restart does what is left. */
  stop(): Promise<void>;
}

export interface AggregatorOptions {
  readonly repo: Pick<Repo, 'changedHours' | 'advanceSummaryCursor' | 'committedHour' | 'reportDamage'>;
  readonly thread: SummariserThread;
  /** Those whose hours are summarised. Hours of any other stay as they are. */
  readonly streams: Iterable<StreamName>;
  /** Where dimensions may have changed. It goes on between the runs, once the aggregator is started. */
  readonly recount?: Recount;
  /** Milliseconds. */
  readonly interval: number;
  readonly metrics: Pick<
    Metrics,
    | 'aggregationRuns'
    | 'aggregationDuration'
    | 'aggregationBytes'
    | 'aggregationSkippedLines'
    | 'aggregationErrors'
    | 'aggregationLag'
  >;
  readonly log: Log;
}

/**
 * Keeps the summaries up to the committed length of their hours. A run costs what was appended since the run before: nothing is opened,
 * read or written for an hour that did not grow.
 *
 * A summary is synced, and its hour marked as summarised, by the first run that finds that the hour did not grow again. A sync directly after the
 * write would make batches wait for the disk, in each run for the summary of the present hour. Until it is marked, an hour is summarised
 * again after a restart; that costs one reading of its summary.
 */
export function createAggregator(options: AggregatorOptions): Aggregator {
  const { thread, recount, interval, log } = options;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let current: Promise<AggregationRun> | undefined;
  let next: Promise<AggregationRun> | undefined;
  const again = new Map<HourKey, StreamHour>();
  const isStopped = () => stopped;
  const runOnce = createRun(options, again, isStopped);
  const background = createBackground({ recount, idle, isStopped, log });

  async function idle(): Promise<void> {
    while (current !== undefined) await current.catch(() => undefined);
  }

  function begin(): Promise<AggregationRun> {
    next = undefined;
    current = runOnce().finally(() => {
      current = undefined;
    });
    return current;
  }

  function run(): Promise<AggregationRun> {
    if (current === undefined) return begin();
    next ??= current.then(begin, begin);
    return next;
  }

  async function runAndWait(): Promise<void> {
    try {
      await run();
    } catch (err) {
      log.error('cannot aggregate', { err });
    }
    if (stopped) return;
    timer = setTimeout(runInBackground, interval);
    background.start();
  }

  function runInBackground(): void {
    void runAndWait();
  }

  return {
    start: runInBackground,
    run,
    countAgain(at) {
      if (again.size < MAX_AGAIN) again.set(hourKey(at), at);
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      const running = next ?? current;
      await thread.stop();
      await running?.catch(() => undefined);
      await background.ended();
    },
  };
}

/** Hours that wait to be looked at again. Whoever finds one more damaged will find it once more. */
const MAX_AGAIN = 10_000;

/** One run over the hours that grew and those of `again`, one after the other; ends early once `isStopped`. */
function createRun(
  options: AggregatorOptions,
  again: Map<HourKey, StreamHour>,
  isStopped: () => boolean,
): () => Promise<AggregationRun> {
  const { repo, recount, metrics, log } = options;
  const streams = new Set(options.streams);
  const lag = createLag();
  const { settle, summarise } = createHourSteps(options, lag, isStopped);

  return async function runOnce() {
    const started = performance.now();
    const changed = repo.changedHours().filter(({ stream }) => streams.has(stream));
    const ready = (await recount?.prepare(new Set(changed.map(({ stream }) => stream)), isStopped)) ?? streams;
    const grown = changed.filter(({ stream }) => ready.has(stream));
    const wanted = new Map(again);
    again.clear();
    const atRest = await findHours(repo, wanted, grown);
    const hours = [...grown, ...atRest];
    metrics.aggregationLag.set(lag.of(hours));
    const tally = createTally();
    for (const committed of hours) {
      if (isStopped()) break;
      const isWanted = wanted.has(hourKey(committed));
      if (!isWanted && (await settle(committed))) continue;
      const report = await summarise(committed, { isAtRest: isWanted && atRest.includes(committed) });
      if (report !== undefined || !isStopped()) tally.add(report);
    }
    const run = tally.finish((performance.now() - started) / 1000);
    countRun(metrics, run);
    metrics.aggregationLag.set(lag.of(repo.changedHours().filter(({ stream }) => streams.has(stream))));
    if (hours.length > 0) log.debug('aggregated', { ...run });
    return run;
  };
}

/** The hours of `wanted` that did not grow. */
async function findHours(
  repo: AggregatorOptions['repo'],
  wanted: ReadonlyMap<HourKey, StreamHour>,
  grown: readonly ChangedHour[],
): Promise<ChangedHour[]> {
  const known = new Set(grown.map(hourKey));
  const found: ChangedHour[] = [];
  for (const [key, at] of wanted)
    if (!known.has(key)) found.push((await repo.committedHour(at)) ?? { ...at, path: '', bytes: 0 });
  return found;
}

function countRun(metrics: AggregatorOptions['metrics'], run: AggregationRun): void {
  metrics.aggregationRuns.inc();
  metrics.aggregationDuration.observe(run.seconds);
  metrics.aggregationBytes.inc(run.bytes);
  metrics.aggregationSkippedLines.inc(run.skippedLines);
  metrics.aggregationErrors.inc(run.failed + run.missing);
}

/** What a run does with one hour: it settles the summary that the run before wrote, or writes a new one. */
function createHourSteps(
  { repo, thread, log }: AggregatorOptions,
  lag: ReturnType<typeof createLag>,
  isStopped: () => boolean,
) {
  /** Summaries that were written and are not settled, each up to a length of its hour. */
  const unsettled = new Map<HourKey, number>();

  /** Whether that is all there is to do for the hour. */
  async function settle(committed: ChangedHour): Promise<boolean> {
    const { path, bytes } = committed;
    const key = hourKey(committed);
    if (unsettled.get(key) !== bytes) return false;
    try {
      await thread.settle?.(hourOf(committed));
      unsettled.delete(key);
      repo.advanceSummaryCursor(committed, bytes);
      return true;
    } catch (err) {
      if (isStopped()) return true;
      log.warn('cannot sync a summary; will retry', { ...namesOf(committed), path, err });
      unsettled.delete(key);
      return false;
    }
  }

  /** Undefined where it failed. */
  async function summarise(changed: ChangedHour, { isAtRest = false } = {}): Promise<HourReport | undefined> {
    const fields = { ...namesOf(changed), path: changed.path };
    try {
      const committed = (await repo.committedHour(changed)) ?? changed;
      const report = await thread.summarise(committed);
      if (thread.settle === undefined || report.outcome === 'missing') {
        repo.advanceSummaryCursor(committed, committed.bytes);
      } else if (!isAtRest) unsettled.set(hourKey(committed), committed.bytes);
      else if (report.outcome === 'written') await thread.settle(hourOf(committed));
      lag.summarised(committed);
      logReport(log, fields, report);
      for (const damage of report.damage) await repo.reportDamage(committed, damage);
      return report;
    } catch (err) {
      if (!isStopped()) log.error('cannot summarise hour', { ...fields, err });
      return undefined;
    }
  }

  return { settle, summarise };
}

function hourOf({ stream, hour }: StreamHour): StreamHour {
  return { stream, hour };
}

/** The names of an hour in a line of the log. */
function namesOf({ stream, hour }: StreamHour): Readonly<Record<string, string>> {
  return { ...(!isDefaultStream(stream) && { stream }), hour: hourToIso(hour) };
}

function logReport(log: Log, fields: Readonly<Record<string, string>>, report: HourReport): void {
  for (const { reason } of report.damage) log.warn('a part of an hour was not counted', { ...fields, reason });
  for (const warning of report.warnings) log.warn('summary was not as expected', { ...fields, warning });
  if (report.skippedLines > 0) log.warn('corrupt lines were not counted', { ...fields, lines: report.skippedLines });
  if (report.outcome === 'missing') log.warn('hour file is missing', fields);
}

function createTally() {
  const hours = { written: 0, unchanged: 0, missing: 0, failed: 0 };
  let bytes = 0;
  let records = 0;
  let skippedLines = 0;
  return {
    add(report: HourReport | undefined): void {
      hours[report?.outcome ?? 'failed'] += 1;
      if (report === undefined) return;
      bytes += report.bytes;
      records += report.records;
      skippedLines += report.skippedLines;
    },
    finish: (seconds: number): AggregationRun => ({ ...hours, bytes, records, skippedLines, seconds }),
  };
}

/** Hours whose summarised length is remembered. The lag of any other hour counts from its start. */
const LAG_HOURS = 4096;

/** Bytes that are not summarised yet. An estimate: what was summarised before the process started is not known. */
function createLag() {
  const lengths = new Map<HourKey, number>();
  return {
    summarised(committed: ChangedHour): void {
      const key = hourKey(committed);
      lengths.delete(key);
      lengths.set(key, committed.bytes);
      for (const oldest of lengths.keys()) {
        if (lengths.size <= LAG_HOURS) break;
        lengths.delete(oldest);
      }
    },
    of(changed: readonly ChangedHour[]): number {
      let lag = 0;
      for (const committed of changed) lag += Math.max(0, committed.bytes - (lengths.get(hourKey(committed)) ?? 0));
      return lag;
    },
  };
}
