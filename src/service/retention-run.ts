import type { Log } from '../log.ts';
import { type Metrics, READERS, type Reader, type RemovalCause } from '../metrics/metrics.ts';
import { type Hour, hourToIso, MS_PER_HOUR, type StreamHour } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import type { HourOnDisk, Retention } from '../repo/repo.ts';
import { dueDays, dueHours, oldestEnded, type StreamLimits } from './retention-rules.ts';

/** Names the reader that still needs an hour, or one of its stream before it; undefined when nobody does. Asked for each hour, so it must be quick. */
export type NeedsHour = (at: StreamHour) => Reader | undefined;

/** What retention does with files. */
export interface RetainedFiles {
  /** The hours of a stream that have files, in order. */
  list(stream: StreamName): Promise<readonly HourOnDisk[]>;
  /** Deletes the files of a removed hour, and gives their bytes. */
  delete(at: StreamHour, signal?: AbortSignal): Promise<number>;
  removeEmptyDays(stream: StreamName, firstHour: Hour): Promise<void>;
  /** Deletes the summaries before an hour, and gives their number. */
  deleteSummaries(stream: StreamName, firstHour: Hour): Promise<number>;
  /** Of the file system of the hours. */
  readSpace(): Promise<{ readonly freeBytes: number; readonly sizeBytes: number }>;
}

export interface RetentionRunOptions {
  readonly repo: Retention;
  readonly files: RetainedFiles;
  /** The streams whose hours may be removed, and their limits. Hours of any other stay. */
  readonly streams: ReadonlyMap<StreamName, StreamLimits>;
  readonly minFreeBytes: number | undefined;
  /** Milliseconds since the end of a day of dead letters. */
  readonly dlqMaxAge: number | undefined;
  readonly removesSummaries: boolean;
  /** Undefined: hours are removed whoever needs them. */
  readonly needs: NeedsHour | undefined;
  /** Told of each stream whose hours were removed. */
  readonly onRemoved: (stream: StreamName) => void;
  readonly metrics: Pick<
    Metrics,
    'removedHours' | 'removedBytes' | 'heldHours' | 'removedDeadLetterDays' | 'retentionFailures' | 'oldestHour'
  >;
  readonly log: Log;
}

/** What one run has found. */
interface Run extends RetentionRunOptions {
  /** Unix milliseconds. */
  readonly now: number;
  readonly signal: AbortSignal;
  /** Of each stream the hours that are left, in order. */
  readonly left: Map<StreamName, readonly HourOnDisk[]>;
  /** Hours that each reader holds up. */
  readonly held: Map<Reader, number>;
  /** What is not as it should be, for people. */
  readonly problems: string[];
}

/** One run over all streams. Never rejects: what fails is logged and counted. Gives what is not as it should be, for people. */
export async function runRetention(
  options: RetentionRunOptions,
  about: Pick<Run, 'now' | 'signal'>,
): Promise<readonly string[]> {
  const run: Run = { ...options, ...about, left: new Map(), held: new Map(), problems: [] };
  const { streams, minFreeBytes, dlqMaxAge } = options;
  for (const [stream, limits] of streams)
    await attempt(run, `remove old hours of stream ${stream}`, () => removeOldHours(run, stream, limits));
  if (minFreeBytes !== undefined) await attempt(run, 'free space on the disk', () => freeSpace(run, minFreeBytes));
  for (const stream of streams.keys())
    await attempt(run, `remove empty folders and summaries of stream ${stream}`, () => tidy(run, stream));
  if (dlqMaxAge !== undefined) await attempt(run, 'remove old dead letters', () => removeDeadLetters(run));
  showRun(run);
  return run.problems;
}

async function attempt(run: Run, what: string, work: () => Promise<void>): Promise<void> {
  const { signal, metrics, log, problems } = run;
  if (signal.aborted) return;
  try {
    await work();
  } catch (err) {
    // The storage closes.
    if (signal.aborted) return;
    metrics.retentionFailures.inc();
    problems.push(`cannot ${what}: ${err instanceof Error ? err.message : String(err)}`);
    log.error(`cannot ${what}; the next run tries again`, { err });
  }
}

async function removeOldHours(run: Run, stream: StreamName, limits: StreamLimits): Promise<void> {
  const hours = await finishRemovals(run, stream);
  run.left.set(stream, hours);
  const due = dueHours(hours, limits, run.now);
  for (const [index, { at, cause }] of due.entries()) {
    if (run.signal.aborted) return;
    const reader = await remove(run, at, cause);
    if (reader === undefined) continue;
    hold(run, reader, at, due.length - index);
    return;
  }
}

/** Deletes what a kill, or a failure, left of removed hours. Gives the others. */
async function finishRemovals({ repo, files, signal, log }: Run, stream: StreamName): Promise<readonly HourOnDisk[]> {
  const hours = await files.list(stream);
  const first = repo.firstHour(stream);
  for (const at of hours) {
    if (at.hour >= first) break;
    const bytes = await files.delete(at, signal);
    log.info('deleted what was left of a removed hour', { stream, hour: hourToIso(at.hour), bytes, fold: false });
  }
  return hours.filter(({ hour }) => hour >= first);
}

/** Gives the reader that needs the hour; then nothing happened. */
async function remove(run: Run, { stream, hour }: HourOnDisk, cause: RemovalCause): Promise<Reader | undefined> {
  const { repo, files, needs, left, signal, metrics, log } = run;
  const at = { stream, hour };
  const readers: Reader[] = [];
  const mayGo = (): boolean => {
    const reader = needs?.(at);
    if (reader !== undefined) readers.push(reader);
    return reader === undefined;
  };
  if (!(await repo.removeHours(at, mayGo))) return readers[0];
  run.onRemoved(stream);
  left.set(stream, left.get(stream)?.filter((other) => other.hour > hour) ?? []);
  const bytes = await files.delete(at, signal);
  metrics.removedHours.labels(stream, cause).inc();
  metrics.removedBytes.labels(stream, cause).inc(bytes);
  log.info('removed an hour', { stream, hour: hourToIso(hour), bytes, cause, fold: false });
  return undefined;
}

/** `count`: the hour, and those after it that wait for it. */
function hold({ held, problems }: Run, reader: Reader, { stream, hour }: StreamHour, count: number): void {
  held.set(reader, (held.get(reader) ?? 0) + count);
  problems.push(`the ${reader} still needs hour ${hourToIso(hour)} of stream ${stream}, which should be removed`);
}

async function freeSpace(run: Run, minFreeBytes: number): Promise<void> {
  const { files, left, now, signal, problems } = run;
  const { freeBytes, sizeBytes } = await files.readSpace();
  if (minFreeBytes > sizeBytes) {
    problems.push(`storage.minFreeBytes is ignored: the whole file system has only ${sizeBytes} bytes`);
    return;
  }
  // Counted, and not read again: some file systems show what was freed only after a while.
  let missing = minFreeBytes - freeBytes;
  const open = new Map(left);
  while (missing > 0 && !signal.aborted) {
    const at = oldestEnded(open.values(), now);
    if (at === undefined) {
      problems.push('the disk has less free space than storage.minFreeBytes, and no hour that may be removed is left');
      return;
    }
    const reader = await remove(run, at, 'min_free_bytes');
    if (reader === undefined) {
      missing -= at.bytes;
      open.set(at.stream, left.get(at.stream) ?? []);
    } else {
      hold(run, reader, at, 1);
      open.delete(at.stream);
    }
  }
}

async function tidy({ repo, files, removesSummaries, log }: Run, stream: StreamName): Promise<void> {
  const first = repo.firstHour(stream);
  await files.removeEmptyDays(stream, first);
  const summaries = removesSummaries ? await files.deleteSummaries(stream, first) : 0;
  if (summaries > 0) log.info('removed summaries of removed hours', { stream, summaries, fold: false });
}

async function removeDeadLetters({ repo, dlqMaxAge, now, signal, metrics, log }: Run): Promise<void> {
  for (const day of dueDays(await repo.deadLetterDays(), dlqMaxAge, now)) {
    if (signal.aborted) return;
    await repo.removeDeadLetters(day);
    metrics.removedDeadLetterDays.inc();
    log.info('removed a day of dead letters', { day, fold: false });
  }
}

function showRun({ left, held, metrics }: Run): void {
  for (const [stream, [oldest]] of left) {
    if (oldest === undefined) metrics.oldestHour.remove({ stream });
    else metrics.oldestHour.set({ stream }, (oldest.hour * MS_PER_HOUR) / 1000);
  }
  for (const reader of READERS) metrics.heldHours.set({ reader }, held.get(reader) ?? 0);
}
