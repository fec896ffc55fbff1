import { extname } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { StreamHour } from '../model/hour.ts';
import { hoursOf, type QueryHour, type RecordQuery } from '../query/query.ts';
import { createRecords, type OwnedRecords } from '../query/records.ts';
import { hoursInRange } from '../repo/hour-file.ts';
import type { Repo } from '../repo/repo.ts';
import { withCauses } from '../runtime/thread.ts';
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

/** The hours of a query that have committed records, in its order, and those that cannot be looked up. Each is looked up when it is asked for. */
export async function* committedHours(
  query: RecordQuery,
  { logsDir, repo }: { readonly logsDir: string; readonly repo: Pick<Repo, 'committedHour'> },
): AsyncGenerator<QueryHour, undefined> {
  const { stream, order } = query;
  const range = { stream, ...hoursOf(query), isBackward: order === 'desc' };
  for await (const hour of hoursInRange(logsDir, range)) {
    const found = await lookUp(repo, { stream, hour });
    if (found !== undefined && ('reason' in found || found.bytes > 0)) yield found;
  }
  return undefined;
}

/** What is wrong with one hour, such as a file by others in its place, must not cost the others. */
async function lookUp(repo: Pick<Repo, 'committedHour'>, at: StreamHour): Promise<QueryHour | undefined> {
  try {
    return await repo.committedHour(at);
  } catch (error) {
    return { ...at, reason: withCauses(error).message };
  }
}
