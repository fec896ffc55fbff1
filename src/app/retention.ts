import type { Config } from '../config/config.ts';
import { diskFileSystem } from '../disk/file-system.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { elapsedClock, systemClock } from '../model/clock.ts';
import type { FirstHours } from '../model/first-hours.ts';
import { MIN_HOUR, type StreamHour } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import { readSpace } from '../repo/free-space.ts';
import { createHoursOnDisk } from '../repo/hours-on-disk.ts';
import type { Repo } from '../repo/repo.ts';
import type { Lifecycle } from '../runtime/lifecycle.ts';
import { createRetention, type RetentionRunner } from '../service/retention.ts';
import type { StreamLimits } from '../service/retention-rules.ts';
import type { NeedsHour } from '../service/retention-run.ts';
import { streamsOf } from './streams.ts';

type RetentionConfig = Pick<Config, 'retention' | 'storage' | 'streams' | 'aggregation'>;

/** Starts what removes old hours. Its runs also delete what a kill left of hours that were removed when retention was on. */
export function startRetention(options: {
  readonly config: RetentionConfig;
  readonly repo: Repo;
  readonly firstHours: FirstHours;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
}): RetentionRunner {
  const { config, repo, firstHours, metrics, log, lifecycle } = options;
  const { logsDir, analyticsDir } = config.storage;
  const streams = limitsOf(config);
  const showFirstHour = (stream: StreamName): void => firstHours.set(stream, repo.retention.firstHour(stream));
  for (const stream of streams.keys()) showFirstHour(stream);
  const runner = createRetention({
    repo: repo.retention,
    files: {
      ...createHoursOnDisk({ files: diskFileSystem, logsDir, analyticsDir, between: repo.retention.between }),
      readSpace: () => readSpace(logsDir),
    },
    streams,
    minFreeBytes: toLimit(config.storage.minFreeBytes),
    dlqMaxAge: toLimit(config.retention.dlqMaxAge),
    removesSummaries: config.retention.summaries === 'remove',
    needs: config.retention.force ? undefined : readersOf(config, repo),
    onRemoved: showFirstHour,
    interval: isOn(config) ? config.retention.interval : undefined,
    clock: systemClock,
    elapsed: elapsedClock,
    metrics,
    log,
  });
  const wasOn = [...streams.keys()].some((stream) => repo.retention.firstHour(stream) > MIN_HOUR);
  if (wasOn || isOn(config)) runner.start();
  lifecycle.started('retention', () => runner.stop());
  return runner;
}

/** Whether anything may have to be removed. */
function isOn({ retention, storage, streams }: RetentionConfig): boolean {
  const limits = [...limitsOf({ retention, streams }).values()];
  const hasLimit = limits.some(({ maxAge, maxBytes }) => maxAge !== undefined || maxBytes !== undefined);
  return hasLimit || storage.minFreeBytes !== 'off' || retention.dlqMaxAge !== 'off';
}

/** The limits of each stream: its own where it has some, else those of all. */
export function limitsOf(config: Pick<Config, 'retention' | 'streams'>): ReadonlyMap<StreamName, StreamLimits> {
  const { maxAge, maxBytes, streams } = config.retention;
  const own = new Map(streams.map((limits) => [limits.name, limits]));
  const limits = Array.from(streamsOf(config).keys(), (stream): [StreamName, StreamLimits] => {
    const { maxAge: ownAge = 'inherit', maxBytes: ownBytes = 'inherit' } = own.get(stream) ?? {};
    return [
      stream,
      {
        maxAge: toLimit(ownAge === 'inherit' ? maxAge : ownAge),
        maxBytes: toLimit(ownBytes === 'inherit' ? maxBytes : ownBytes),
      },
    ];
  });
  return new Map(limits);
}

function toLimit(value: number | 'off'): number | undefined {
  return value === 'off' ? undefined : value;
}

/** Those that read hours, and are on. A reader that is off, or not configured any more, needs nothing. */
function readersOf({ aggregation }: RetentionConfig, repo: Repo): NeedsHour {
  const readers: NeedsHour[] = [];
  if (aggregation.enabled)
    readers.push((at: StreamHour) => (repo.retention.hasUnsummarised(at) ? 'aggregator' : undefined));
  return function needsHour(at) {
    for (const needs of readers) {
      const reader = needs(at);
      if (reader !== undefined) return reader;
    }
    return undefined;
  };
}
