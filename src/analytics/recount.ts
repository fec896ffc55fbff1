import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { type Hour, hourToIso, MAX_HOUR } from '../model/hour.ts';
import { isDefaultStream, type Stream, type StreamName } from '../model/stream.ts';
import type { DimensionNote } from '../model/summary.ts';
import type { Repo } from '../repo/repo.ts';
import type { SummariserThread, WriteNote } from './summarise-thread.ts';

/**
 * Summarises the hours of a stream again whose dimensions changed in the configuration: those whose records are still there, newest first, one
 * at a time. A start reads one small file a stream, however many hours there are. What a killed process left is done by the next.
 */
export interface Recount {
  /**
   * Notes the dimensions of each stream before a summary is written by them. Gives the streams that are noted; hours of any other must not be
   * summarised now, or nobody would find those that have other dimensions. A stream without hours is left alone until it is `growing`.
   */
  prepare(growing: ReadonlySet<StreamName>, isStopped: () => boolean): Promise<ReadonlySet<StreamName>>;
  /** Summarises one hour again. False when there is none left. */
  step(isStopped: () => boolean): Promise<boolean>;
}

export interface RecountOptions {
  readonly streams: Iterable<Stream>;
  readonly repo: Pick<Repo, 'committedHour' | 'reportDamage'>;
  readonly thread: SummariserThread;
  readonly notes: {
    read(stream: StreamName): Promise<DimensionNote | undefined>;
    readonly write: WriteNote;
  };
  /** The hours of a stream that have a file, in order. */
  readonly listHours: (stream: StreamName) => Promise<readonly Hour[]>;
  readonly metrics: Pick<Metrics, 'recountHours'>;
  readonly log: Log;
}

/** A start after a kill looks at most at so many hours once more. */
const HOURS_A_NOTE = 16;

/** What is left to do for a stream. */
interface Job {
  readonly stream: Stream;
  readonly upTo: Hour;
  /** The hours left, the newest last; undefined until they are listed. */
  hours: Hour[] | undefined;
  written: number;
  /** Hours done since the note was written. */
  unnoted: number;
  /** Hours that keep their summary by other dimensions. */
  failed: number;
}

export function createRecount(options: RecountOptions): Recount {
  const { notes, listHours, metrics } = options;
  const jobs: Job[] = [];
  const recountHour = createHourStep(options);

  async function finish(job: Job): Promise<void> {
    jobs.splice(jobs.indexOf(job), 1);
    const { stream, written, failed } = job;
    if (failed > 0) {
      options.log.warn('some hours keep a summary by other dimensions; the next start tries them again', {
        stream: stream.name,
        hours: failed,
      });
      return;
    }
    await notes.write(stream.name, { countBy: stream.countBy });
    if (written > 0)
      options.log.info('hours were summarised again by new dimensions', { stream: stream.name, hours: written });
  }

  return {
    prepare: createPreparation(options, jobs),

    async step(isStopped) {
      const [job] = jobs;
      if (job === undefined) return false;
      job.hours ??= (await listHours(job.stream.name)).filter((hour) => hour <= job.upTo);
      metrics.recountHours.set({ stream: job.stream.name }, job.hours.length + job.failed);
      const hour = job.hours.pop();
      if (hour === undefined) {
        await finish(job);
        return true;
      }
      await recountHour(job, hour, isStopped);
      job.unnoted += 1;
      // Beyond an hour that failed the note does not move.
      if (job.failed > 0 || job.unnoted < HOURS_A_NOTE) return true;
      await notes.write(job.stream.name, { countBy: job.stream.countBy, upTo: hour - 1 });
      job.unnoted = 0;
      return true;
    },
  };
}

/** Adds to `jobs` the streams that have hours of other dimensions. */
function createPreparation({ streams, notes, listHours, log }: RecountOptions, jobs: Job[]): Recount['prepare'] {
  const all = [...streams];
  const noted = new Set<StreamName>();

  async function prepareOne(stream: Stream, isGrowing: boolean): Promise<void> {
    // What access is counted by never changes.
    const note = isDefaultStream(stream.name) ? { countBy: stream.countBy } : await notes.read(stream.name);
    if (note === undefined && !isGrowing && (await listHours(stream.name)).length === 0) return;
    const isSame = note !== undefined && isEqual(note.countBy, stream.countBy);
    // A change begins with the newest hour, whatever was left of the change before.
    const upTo = isSame ? note.upTo : MAX_HOUR;
    if (!isSame) await notes.write(stream.name, { countBy: stream.countBy, upTo: MAX_HOUR });
    if (note !== undefined && !isSame)
      log.info('the dimensions of a stream changed; its hours are summarised again, newest first', {
        stream: stream.name,
        before: note.countBy,
        now: stream.countBy,
      });
    noted.add(stream.name);
    if (upTo !== undefined) jobs.push({ stream, upTo, hours: undefined, written: 0, unnoted: 0, failed: 0 });
  }

  return async function prepare(growing, isStopped) {
    for (const stream of all) {
      if (noted.has(stream.name) || isStopped()) continue;
      try {
        await prepareOne(stream, growing.has(stream.name));
      } catch (err) {
        if (isStopped()) continue;
        log.error('cannot note the dimensions of a stream; its hours are not summarised now', {
          stream: stream.name,
          err,
        });
      }
    }
    return noted;
  };
}

/** Summarises one hour again, and syncs its summary. */
function createHourStep({ repo, thread, log }: RecountOptions) {
  return async function recountHour(job: Job, hour: Hour, isStopped: () => boolean): Promise<void> {
    const at = { stream: job.stream.name, hour };
    try {
      const committed = await repo.committedHour(at);
      if (committed === undefined) return;
      const { outcome, damage } = await thread.summarise(committed);
      for (const found of damage) await repo.reportDamage(at, found);
      if (outcome !== 'written') return;
      await thread.settle?.(at);
      job.written += 1;
    } catch (err) {
      job.failed += 1;
      if (isStopped()) return;
      log.error('cannot summarise hour', { stream: at.stream, hour: hourToIso(hour), err });
    }
  };
}

/**
 * Takes the steps of a recount in the background, once `start` is called and until none is left. `idle` resolves when no new records are
 * being summarised: those go first.
 */
export function createBackground(options: {
  readonly recount: Recount | undefined;
  readonly idle: () => Promise<void>;
  readonly isStopped: () => boolean;
  readonly log: Log;
}) {
  const { recount, idle, isStopped, log } = options;
  let running: Promise<void> | undefined;

  async function takeSteps(): Promise<void> {
    try {
      do await idle();
      while (!isStopped() && (await recount?.step(isStopped)));
    } catch (err) {
      if (!isStopped()) log.error('cannot summarise hours again by new dimensions; the next run tries again', { err });
    }
  }

  return {
    start(): void {
      running ??= takeSteps().finally(() => {
        running = undefined;
      });
    },
    /** Resolves when no step is under way. */
    ended: async () => running,
  };
}

function isEqual(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}
