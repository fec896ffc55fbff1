import type {
  Aggregate,
  AnalyticsQuestion,
  BreakdownQuestion,
  HourTotals,
  SeriesQuestion,
} from '../analytics/analytics.ts';
import type { AnalyticsSource } from '../analytics/analytics-thread.ts';
import type { Live, ServiceStats } from '../live/live.ts';
import type { LiveCalls } from '../live/remote-live.ts';
import type { Log } from '../log.ts';
import type { StreamTotals } from '../metrics/metrics.ts';
import type { DiskUse } from '../model/disk-use.ts';
import type { FirstHours } from '../model/first-hours.ts';
import type { StreamRange } from '../model/hour.ts';
import type { Schemas } from '../model/schema.ts';
import type { StreamName } from '../model/stream.ts';
import type { OpenedQuery, RecordQuery, Records } from '../query/query.ts';
import { HandedOver, type Handlers, type Remote } from '../runtime/channel.ts';
import { createRemoteDeliver, type DeliverCalls, serveDeliver } from '../runtime/remote-deliver.ts';
import type { CheckReadiness } from '../service/service.ts';
import type { Core } from './http-worker.ts';
import { createRemoteLineStore, type LineStoreCalls, serveLineStore } from './remote-line-store.ts';
import { createRemoteRegistry, type RegistryCall, type RegistryReply, serveRegistry } from './remote-registry.ts';

/** The calls that the main thread answers to its HTTP workers. */
export interface CoreCalls extends DeliverCalls, LiveCalls, LineStoreCalls {
  readiness(): ReturnType<CheckReadiness>;
  metricsText(): string;
  serviceStats(): ServiceStats;
  streamTotals(): ReadonlyMap<StreamName, StreamTotals>;
  aggregate(): ReturnType<Aggregate>;
  hourTotals(range: StreamRange): ReturnType<HourTotals['totals']>;
  latestHour(stream: StreamName): ReturnType<HourTotals['latest']>;
  analyticsAnswer(question: AnalyticsQuestion): ReturnType<AnalyticsSource['ask']>;
  diskUse(stream: StreamName): DiskUse;
  registry(call: RegistryCall): RegistryReply;
  analyticsBreakdown(question: BreakdownQuestion): ReturnType<AnalyticsSource['breakdown']>;
  analyticsSeries(question: SeriesQuestion): ReturnType<AnalyticsSource['series']>;
  openQuery(query: RecordQuery): OpenedQuery;
  nextRecords(id: number): ReturnType<Records['next']>;
  closeQuery(end: Parameters<Records['close']>[0]): void;
}

/** A Core whose work is done by the thread at the other end of the channel; `live` comes from createRemoteLive. */
export function createRemoteCore(parts: {
  readonly schemas: Schemas;
  readonly firstHours: FirstHours;
  readonly remote: Remote<CoreCalls>;
  readonly live: Live;
  readonly log: Log;
  /** Whether there is a line store at the other end. */
  readonly hasLineStore: boolean;
  /** Given memory of batches that comes back. */
  readonly reuse: (memory: ArrayBuffer) => void;
}): Core {
  const { remote, schemas, firstHours, live, log, hasLineStore, reuse } = parts;
  return {
    deliver: createRemoteDeliver(remote, log, reuse),
    checkReadiness: () => remote.readiness(),
    metricsText: () => remote.metricsText(),
    serviceStats: () => remote.serviceStats(),
    streamTotals: () => remote.streamTotals(),
    aggregate: () => remote.aggregate(),
    live,
    schemas,
    firstHours,
    registry: createRemoteRegistry((call) => remote.registry(call)),
    diskUse: (stream) => remote.diskUse(stream),
    hourTotals: {
      totals: (range) => remote.hourTotals(range),
      latest: (stream) => remote.latestHour(stream),
    },
    analytics: {
      ask: (question) => remote.analyticsAnswer(question),
      breakdown: (question) => remote.analyticsBreakdown(question),
      series: (question) => remote.analyticsSeries(question),
    },
    lineStore: hasLineStore ? createRemoteLineStore(remote) : undefined,
    records: {
      open: (query) => remote.openQuery(query),
      next: (id) => remote.nextRecords(id),
      close: (end) => remote.closeQuery(end),
    },
  };
}

/** The other end: answers the calls of a remote Core, but for those of its `live` (serveLive). */
export function serveCore(
  core: Omit<Core, 'live' | 'schemas' | 'firstHours'>,
): Handlers<Omit<CoreCalls, keyof LiveCalls>> {
  const { deliver, checkReadiness, metricsText, streamTotals, analytics, aggregate, hourTotals, registry } = core;
  const { diskUse, records, lineStore, serviceStats } = core;
  return {
    deliver: serveDeliver(deliver),
    readiness: checkReadiness,
    registry: serveRegistry(registry),
    metricsText,
    serviceStats,
    streamTotals,
    aggregate,
    diskUse: (stream) => diskUse(stream),
    hourTotals: (range) => hourTotals.totals(range),
    latestHour: (stream) => hourTotals.latest(stream),
    analyticsAnswer: (question) => analytics.ask(question),
    analyticsBreakdown: (question) => analytics.breakdown(question),
    analyticsSeries: (question) => analytics.series(question),
    openQuery: (query) => records.open(query),
    nextRecords: async (id) => handOver(await records.next(id)),
    closeQuery: (end) => records.close(end),
    ...serveLineStore(lineStore),
  };
}

/** A piece came from the query thread in memory of its own. */
function handOver(piece: Awaited<ReturnType<Records['next']>>) {
  return piece.kind === 'failed' || piece.bytes.length === 0
    ? piece
    : new HandedOver(piece, [piece.bytes.buffer as ArrayBuffer]);
}
