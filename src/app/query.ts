import { extname } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { RecordQuery } from '../query/query.ts';
import { hoursOf } from '../query/query.ts';
import { createRecords, type OwnedRecords } from '../query/records.ts';
import { hoursInRange } from '../repo/hour-file.ts';
import type { CommittedHour, Repo } from '../repo/repo.ts';
import type { QueryWorkerData } from './query-worker.ts';
import { streamsOf } from './streams.ts';

/** Queries over the records of a repo, by a thread of their own, which starts with the first. */
export function createQueries(options: {
  readonly config: Config;
  readonly repo: Pick<Repo, 'committedHour' | 'reportDamage'>;
  readonly metrics: Metrics;
  readonly log: Log;
}): OwnedRecords {
  const { config, repo, metrics, log } = options;
  const { maxConcurrent, timeout } = config.query;
  const workerData: QueryWorkerData = { streams: [...streamsOf(config).values()] };
  return createRecords({
    // The same ending as this file: .ts from source, .js when built.
    entry: new URL(`./query-worker${extname(import.meta.url)}`, import.meta.url),
    workerData,
    hoursOf: (query) => committedHours(query, { logsDir: config.storage.logsDir, repo }),
    reportDamage: (hour, damage) => repo.reportDamage(hour, damage),
    maxConcurrent,
    timeoutMs: timeout,
    metrics,
    log,
  });
}

/** The hours of a query that have committed records, in its order. Each is looked up when it is asked for. */
export async function* committedHours(
  query: RecordQuery,
  { logsDir, repo }: { readonly logsDir: string; readonly repo: Pick<Repo, 'committedHour'> },
): AsyncGenerator<CommittedHour, undefined> {
  const { stream, order } = query;
  const range = { stream, ...hoursOf(query), isBackward: order === 'desc' };
  for await (const hour of hoursInRange(logsDir, range)) {
    const committed = await repo.committedHour({ stream, hour });
    if (committed !== undefined && committed.bytes > 0) yield committed;
  }
  return undefined;
}
