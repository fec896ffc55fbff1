import { extname } from 'node:path';
import { createAggregator } from '../analytics/aggregate.ts';
import { createAnalytics } from '../analytics/analytics-thread.ts';
import { createRecount } from '../analytics/recount.ts';
import { createSummariserThread } from '../analytics/summarise-thread.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Stream, StreamName } from '../model/stream.ts';
import { MAX_KEY_BYTES, mapLimits } from '../model/summary.ts';
import { createDimensionNotes } from '../repo/dimension-notes.ts';
import { listHours } from '../repo/hour-file.ts';
import type { Repo } from '../repo/repo.ts';
import { createSummaryTotals } from '../repo/summary-totals.ts';
import type { Lifecycle } from '../runtime/lifecycle.ts';
import type { AnalyticsWorkerData } from './analytics-worker.ts';
import { streamsOf } from './streams.ts';

/** The same ending as this file: .ts from source, .js when built. */
const analyticsWorker = new URL(`./analytics-worker${extname(import.meta.url)}`, import.meta.url);

export interface AnalyticsParts {
  readonly config: Config;
  readonly repo: Repo;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
}

/** The aggregator that writes summaries, and analytics that reads them, each with a thread of its own. */
export function startAnalytics({ config, repo, metrics, log, lifecycle }: AnalyticsParts) {
  const { analyticsDir, durability } = config.storage;
  const { maxKeys } = config.aggregation;
  const settles = durability === 'disk';
  const all = streamsOf(config);
  const streams = [...all.values()];
  const workerData: AnalyticsWorkerData = {
    analyticsDir,
    durability: settles ? 'later' : durability,
    maxKeys,
    streams,
  };
  const worker = { entry: analyticsWorker, workerData, heapMiB: heapForKeys(maxKeys, streams) };
  const thread = createSummariserThread({ ...worker, settles });
  const { interval } = config.aggregation;
  const hoursOf = (stream: StreamName) => listHours(config.storage.logsDir, stream);
  const { read } = createDimensionNotes({ analyticsDir, durable: settles });
  const notes = { read, write: thread.writeNote };
  const recount = createRecount({ streams, repo, thread, notes, listHours: hoursOf, metrics, log });
  const aggregator = createAggregator({ repo, thread, streams: all.keys(), recount, interval, metrics, log });
  if (config.aggregation.enabled) aggregator.start();
  lifecycle.started('aggregator', () => aggregator.stop());

  const analytics = createAnalytics({ ...worker, onDamaged: aggregator.countAgain, metrics, log });
  lifecycle.started('analytics', () => analytics.stop());
  const hourTotals = createSummaryTotals({ analyticsDir, onDamaged: aggregator.countAgain });
  return { aggregator, analytics, hourTotals };
}

/** Memory for one summary, MiB: its maps, full, and what it takes to sort them. */
function heapForKeys(maxKeys: number, streams: readonly Stream[]): number {
  const maps = Math.max(...streams.map(({ countBy }) => countBy.length));
  const mapsMiB = (maps * 2 * MAX_KEY_BYTES) / 2 ** 20;
  return Math.ceil(512 + mapsMiB + (mapLimits(maxKeys).maxKeys * maps * 250) / 2 ** 20);
}
