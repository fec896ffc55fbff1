import { join } from 'node:path';
import { createBoundary } from '../../decode/framing.ts';
import { diskFileSystem } from '../../disk/file-system.ts';
import { makeFolder } from '../../disk/folders.ts';
import { lockDirectories } from '../../disk/lock.ts';
import { createAgentServer } from '../../http/agent/agent-server.ts';
import { openCheckpoint } from '../../inputs/files/checkpoint.ts';
import { createFollower } from '../../inputs/files/follow.ts';
import { type Follower, MIN_CHARGE_BYTES } from '../../inputs/files/follower.ts';
import { CollectCounts } from '../../live/collect-stats.ts';
import type { CollectStats } from '../../live/live.ts';
import { createAgentMetrics } from '../../metrics/agent-metrics.ts';
import { systemClock } from '../../model/clock.ts';
import { EVENTS_STREAM } from '../../model/stream.ts';
import { createLineFilter } from '../../transform/line-filter.ts';
import { createTagger } from '../../transform/tags.ts';
import type { TagRule } from '../../transform/transform.ts';
import { createExclusion } from '../files/exclusion.ts';
import { createFollowReport } from '../files/follow-report.ts';
import { createOpenReading, type ReadAs } from '../files/read-as.ts';
import { closingOnFailure, type Opened } from '../opened.ts';
import { openCollectDelivery, type ServiceTarget } from './collect-delivery.ts';
import { createCollectReadings } from './collect-reading.ts';
import { CollectReport } from './collect-report.ts';
import { gatherSlices } from './gather-slices.ts';

export interface CollectOptions {
  /** Paths with `*`, `?` and a double star. */
  readonly patterns: readonly string[];
  readonly readAs: ReadAs;
  /** Only lines that match it are collected. */
  readonly filter: string | undefined;
  /** Absent: those of older collectors. */
  readonly tagRules: readonly TagRule[] | undefined;
  /** The folder of collected.jsonl, and of what the collector remembers. It is made where there is none. */
  readonly outputDir: string;
  /** Records go there, and not to collected.jsonl. */
  readonly service: ServiceTarget | undefined;
  /** Lines that are delivered at once, and the milliseconds for which they wait for each other. */
  readonly batchSize: number;
  readonly batchIntervalMs: number;
  /** Of its server: HOST:PORT. */
  readonly addr: string;
  /** Absent: in the folder. */
  readonly checkpoint: string | undefined;
  readonly notify: (message: string) => void;
}

export interface Collector {
  /** Where its server listens. */
  readonly addr: string;
  readonly stats: () => CollectStats;
  /** Delivers what was read, and closes. False where that took longer: the next run delivers the rest. */
  stop(graceMs: number): Promise<boolean>;
}

const CHECKPOINT = 'collect.checkpoint';
/** Slices of one file under way. */
const CONCURRENCY = 4;
const MAX_IN_FLIGHT_BYTES = 32 * 1024 * 1024;
/** Slices that wait for each other: they have half of the bytes in flight, and the other half is for those that are being delivered. */
const MAX_WAITING = MAX_IN_FLIGHT_BYTES / MIN_CHARGE_BYTES / 2;
/** Time of the server's stop. */
const SERVER_GRACE_MS = 1_000;

/**
 * Follows files, and collects the records in them: filtered, tagged, counted, and each stored once. Rejects, with everything closed again,
 * where a pattern is not valid, another process uses the folder, a file cannot be opened, or the address cannot be used.
 */
export function startCollector(options: CollectOptions): Promise<Collector> {
  return closingOnFailure((opened) => start(options, opened));
}

async function start(options: CollectOptions, opened: Opened): Promise<Collector> {
  const { outputDir, notify, patterns, service } = options;
  const readings = createReadings(options);
  await makeFolder(diskFileSystem, outputDir, true);
  const lock = lockDirectories([outputDir]);
  opened.onClose(() => lock.release());
  const stream = service === undefined ? 'collect' : EVENTS_STREAM.name;
  const path = options.checkpoint ?? join(outputDir, CHECKPOINT);
  const checkpoint = await openCheckpoint(path, { stream, warn: notify });
  opened.onClose(() => checkpoint.close());
  const report = new CollectReport({ counts: new CollectCounts(systemClock), readings, now, notify });
  const delivery = await openCollectDelivery({ outputDir, service, report, clock: systemClock });
  opened.onClose(() => delivery.close());
  const { batchSize: lines, batchIntervalMs: intervalMs } = options;
  const gather = gatherSlices(report.counting(delivery.deliver), { lines, slices: MAX_WAITING, intervalMs });
  const follower = createFollower({
    patterns,
    checkpoint,
    open: readings.open,
    createBoundary,
    deliver: gather.deliver,
    exclude: createExclusion([outputDir, path]),
    maxInFlightBytes: MAX_IN_FLIGHT_BYTES,
    concurrency: CONCURRENCY,
    batch: service === undefined ? undefined : lines,
    report: createFollowReport(notify),
  });
  const stats = () => report.stats(follower.counts(), describe(options));
  const { server, addr } = await startServer(options.addr, { stats, report, follower });
  opened.onClose(() => server.close({ graceMs: SERVER_GRACE_MS }));
  opened.onClose(() => follower.stop(0).catch(() => undefined));
  await follower.start();
  return {
    addr,
    stats,
    async stop(graceMs) {
      const stopped = follower.stop(graceMs).then(
        () => true,
        () => false,
      );
      gather.flush();
      const isDelivered = await stopped;
      await opened.close();
      return isDelivered;
    },
  };
}

const now = () => performance.now();

function createReadings({ readAs, filter, tagRules }: CollectOptions) {
  return createCollectReadings(createOpenReading(EVENTS_STREAM, readAs), {
    filter: filter === undefined ? undefined : createLineFilter(filter),
    tag: createTagger(tagRules),
    now,
  });
}

async function startServer(
  addr: string,
  parts: { readonly stats: () => CollectStats; readonly report: CollectReport; readonly follower: Follower },
) {
  const { stats, report, follower } = parts;
  const { metricsText } = createAgentMetrics(() => report.metrics(follower.counts()));
  const server = createAgentServer({ addr, metricsText, stats, page: 'collect' });
  const { address, port } = await server.listen();
  return { server, addr: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}` };
}

/** `/var/log/app.log to collected_logs` */
function describe({ patterns, outputDir, service }: CollectOptions): string {
  return `${patterns.join(', ')} to ${service?.url.origin ?? outputDir}`;
}
