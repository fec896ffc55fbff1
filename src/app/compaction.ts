import type { Config } from '../config/config.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { systemClock } from '../model/clock.ts';
import { readSpace } from '../repo/free-space.ts';
import { listPlainHours } from '../repo/plain-hours.ts';
import type { Repo } from '../repo/repo.ts';
import type { Lifecycle } from '../runtime/lifecycle.ts';
import { createCompaction } from '../service/compaction.ts';
import { compressAfterBy, streamsOf } from './streams.ts';

/** Starts what compresses plain hours that are at rest, where a stream asks for it, and deletes what a kill left of that. */
export function startCompaction(options: {
  readonly config: Pick<Config, 'storage' | 'streams'>;
  readonly repo: Repo;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
}): void {
  const { config, repo, metrics, log, lifecycle } = options;
  const { logsDir } = config.storage;
  const streams = compressAfterBy(config);
  const runner = createCompaction({
    repo: repo.compaction,
    streams,
    others: [...streamsOf(config).keys()].filter((name) => !streams.has(name)),
    list: (at) => listPlainHours(logsDir, at),
    isRemoved: ({ stream, hour }) => hour < repo.retention.firstHour(stream),
    readFreeBytes: async () => (await readSpace(logsDir)).freeBytes,
    clock: systemClock,
    metrics,
    log,
  });
  runner.start();
  lifecycle.started('compaction', () => runner.stop());
}
