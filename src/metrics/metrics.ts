// A long file: it is one list. Every metric stands here, so that its name is found in one place.

import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from 'prom-client';
import { DAMAGE_KINDS } from '../model/damage-kinds.ts';
import { mapKinds, RECORD_KINDS, type RecordKind } from '../model/record-kinds.ts';
import { ACCESS_STREAM, EVENTS_STREAM } from '../model/stream.ts';

/** The outcomes of a record. */
export const OUTCOMES = ['stored', 'rejected', 'dead_lettered', 'duplicate'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** The kinds of event streams. */
export const STREAM_KINDS = ['stats', 'tail'] as const;
export type StreamKind = (typeof STREAM_KINDS)[number];

/** Why a connection was closed whose client does not read. */
export const CUT_REASONS = ['unread', 'too_many_unread'] as const;
export type CutReason = (typeof CUT_REASONS)[number];

/** Why a TLS handshake with the HTTP server failed. `aborted`: the client left. */
export const TLS_FAILURES = ['plain_http', 'handshake', 'client_certificate', 'timeout', 'aborted'] as const;
export type TlsFailure = (typeof TLS_FAILURES)[number];

/** Why retention removed an hour. */
export const REMOVAL_CAUSES = ['max_age', 'max_bytes', 'min_free_bytes'] as const;
export type RemovalCause = (typeof REMOVAL_CAUSES)[number];

/** Who reads hours, and may still need one that retention would remove. */
export const READERS = ['aggregator'] as const;
export type Reader = (typeof READERS)[number];

/** What became of a query over records. `stopped`: its client went; `slow`: the client read too slowly. */
export const QUERY_OUTCOMES = ['complete', 'stopped', 'slow', 'timeout', 'busy', 'refused', 'failed'] as const;
export type QueryOutcome = (typeof QUERY_OUTCOMES)[number];

/** Classes of status codes, by their first digit. */
export const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const BATCH_RECORDS = [1, 10, 100, 1_000, 10_000, 100_000];

/**
 * Every metric, declared once, on one registry. All are counted per batch, never per record, and no label carries what
 * a client sent. The first group has the names that existing dashboards use; the others begin with `logforge_`.
 */
export function createMetrics(options: {
  readonly defaultMetrics: boolean;
  /** The streams that there are, the values of the label `stream`. Absent: the built-in ones. */
  readonly streams?: readonly string[];
  /** The names of the inputs that there are. */
  readonly inputs?: readonly string[];
}) {
  const registry = new Registry();
  if (options.defaultMetrics) collectDefaultMetrics({ register: registry });
  const make = metricsOn(registry);
  return {
    registry,
    ...dashboardMetrics(make),
    ...requestMetrics(make),
    ...storageMetrics(make),
    ...streamMetrics(make, options.streams ?? [ACCESS_STREAM.name, EVENTS_STREAM.name]),
    ...retentionMetrics(make, options.streams ?? [ACCESS_STREAM.name, EVENTS_STREAM.name]),
    ...compactionMetrics(make, options.streams ?? [ACCESS_STREAM.name, EVENTS_STREAM.name]),
    ...kafkaMetrics(make),
    ...aggregationMetrics(make),
    ...queryMetrics(make),
    ...lineStoreMetrics(make),
    ...serviceMetrics(make),
    ...inputMetrics(make, options.inputs ?? []),
  };
}

/** Declares metrics on one registry. */
function metricsOn(registry: Registry) {
  const registers = [registry];
  return {
    /** `labels`: all values of each label. Each child is 0 from the start, because increase() does not see a first count. */
    counter: <L extends string = never>(
      name: string,
      help: string,
      labels?: Readonly<Record<L, readonly string[]>>,
    ) => {
      const values = Object.entries<readonly string[]>(labels ?? {});
      const counter = new Counter<string>({ name, help, labelNames: values.map(([label]) => label), registers });
      for (const child of combine(values.map(([, known]) => known)))
        if (child.length > 0) counter.labels(...child).inc(0);
      return counter as Counter<L>;
    },
    gauge: <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []) =>
      new Gauge<L>({ name, help, labelNames, registers }),
    histogram: <L extends string = never>(
      name: string,
      help: string,
      buckets: number[],
      labelNames: readonly L[] = [],
    ) => new Histogram<L>({ name, help, buckets, labelNames, registers }),
  };
}

/** Every choice of one value from each list. */
function combine(lists: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const none: readonly (readonly string[])[] = [[]];
  return lists.reduce((chosen, list) => chosen.flatMap((before) => list.map((value) => [...before, value])), none);
}

type Make = ReturnType<typeof metricsOn>;

/** The names that existing dashboards use. */
function dashboardMetrics({ counter, gauge }: Make) {
  return {
    batchesReceived: counter('log_batches_received_total', 'Batches received by POST /logs'),
    invalidRequests: counter('invalid_requests_total', 'Batches answered 4xx'),
    logsIngested: counter('logs_ingested_total', 'Records accepted'),
    ingestErrors: counter('ingest_errors_total', 'Batches that could not be stored (5xx)'),
    aggregationRuns: counter('aggregation_runs_total', 'Runs of the aggregator'),
    queueDepth: gauge('ingestion_work_queue_depth', 'Batches waiting to be stored or sent'),
  };
}

function requestMetrics({ counter, gauge, histogram }: Make) {
  return {
    received: counter('logforge_records_received_total', 'Records in well-formed batches'),
    records: counter('logforge_records_total', 'Records by their outcome', { outcome: OUTCOMES }),
    inFlightRecords: gauge('logforge_records_in_flight', 'Records received whose outcome is not yet known'),
    unaccounted: gauge(
      'logforge_records_unaccounted',
      'Records received that are neither in flight nor stored, rejected, dead-lettered or duplicate; 0 unless the program has a defect',
    ),
    requestDuration: histogram<'route' | 'status'>(
      'logforge_http_request_duration_seconds',
      'Time from the request line to the end of the answer, by route and status class; without event streams',
      SECONDS,
      ['route', 'status'],
    ),
    inFlightBytes: gauge('logforge_http_in_flight_bytes', 'Bytes of request bodies in flight'),
    unpackRefused: counter(
      'logforge_http_unpack_refused_total',
      'Compressed bodies that were answered 503 because too many large ones waited to be unpacked',
    ),
    authFailures: counter('logforge_http_auth_failures_total', 'Requests without a valid API key, where one is needed'),
    authSlowed: counter(
      'logforge_http_auth_slowed_total',
      'Those of them that were answered 429: too many wrong keys from their client address',
    ),
    bodiesEvicted: counter(
      'logforge_http_bodies_evicted_total',
      'Request bodies that arrived slowest when server.maxInFlightBytes was reached, answered 503 and closed',
    ),
    eventStreams: gauge<'kind'>('logforge_http_event_streams', 'Clients that read an event stream, by its kind', [
      'kind',
    ]),
    eventStreamsDropped: counter(
      'logforge_http_event_streams_dropped_total',
      'Clients of an event stream that were disconnected because they stopped reading',
      { kind: STREAM_KINDS },
    ),
    connectionsCut: counter(
      'logforge_http_connections_cut_total',
      'Connections closed because the client did not read its answers: no byte for 20 s (unread), or too many bytes in all connections (too_many_unread)',
      { reason: CUT_REASONS },
    ),
    tlsFailures: counter(
      'logforge_http_tls_failures_total',
      'Connections to the TLS port of HTTP that were closed before a request: plain HTTP, a failed handshake, a client certificate that is missing or not accepted, a handshake that took too long, a client that left',
      { reason: TLS_FAILURES },
    ),
    batchRecords: histogram('logforge_batch_records', 'Records in a batch', BATCH_RECORDS),
    kindRecords: counter('logforge_kind_records_total', 'Records accepted, by what they came as', {
      kind: RECORD_KINDS,
    }),
    recordLatency: counter(
      'logforge_record_latency_seconds_total',
      'Sum, over the records accepted, of the time from the reading of the last byte of their batch to its commit; divided by logs_ingested_total it is the mean',
    ),
    receivedBytes: counter('logforge_received_bytes_total', 'Bytes of decoded request bodies'),
  };
}

function storageMetrics({ counter, gauge, histogram }: Make) {
  return {
    commitDuration: histogram('logforge_commit_duration_seconds', 'Time of one group commit', SECONDS),
    syncDuration: histogram('logforge_sync_duration_seconds', 'Time of the syncs in one group commit', SECONDS),
    commitBatches: histogram(
      'logforge_commit_batches',
      'Batches that shared one commit',
      [1, 2, 5, 10, 20, 50, 100, 500],
    ),
    storedBytes: counter('logforge_stored_bytes_total', 'Bytes committed to hour files'),
    storageFailures: counter('logforge_storage_failures_total', 'Commits that failed and were rolled back'),
    storageDamage: counter(
      'logforge_storage_damage_total',
      'Damage found in the state folder and the hour files, by the part that is damaged; no answered record was cut off',
      { kind: DAMAGE_KINDS },
    ),
    filesChanged: counter(
      'logforge_data_files_changed_total',
      'Data files that another program changed while the service ran',
    ),
    openFiles: gauge('logforge_open_hour_files', 'Hour files held open'),
    journalBytes: gauge('logforge_journal_bytes', 'Length of the commit journal'),
    idempotencyKeys: gauge('logforge_idempotency_keys', 'Idempotency keys remembered'),
    idempotencyBytes: gauge(
      'logforge_idempotency_bytes',
      'Memory of the remembered idempotency keys and of their long answers',
    ),
    idempotencyReach: gauge('logforge_idempotency_reach_seconds', 'Age of the oldest idempotency key remembered'),
  };
}

/** By stream. The configuration names the streams, so they are few. */
function streamMetrics({ counter, gauge }: Make, streams: readonly string[]) {
  return {
    diskBytes: gauge<'stream' | 'form'>(
      'logforge_disk_bytes',
      'Length of the hour files of a stream, by their form (plain, zstd), as the last walk over the folders found it',
      ['stream', 'form'],
    ),
    diskOtherBytes: gauge<'what'>(
      'logforge_disk_other_bytes',
      'Length of other files: summaries, journal, keys, dead_letters, and the hours of removed_streams',
      ['what'],
    ),
    streamRecords: counter('logforge_stream_records_total', 'Records by their stream and outcome', {
      stream: streams,
      outcome: OUTCOMES,
    }),
    streamBytes: counter('logforge_stream_stored_bytes_total', 'Bytes committed to the hour files of a stream', {
      stream: streams,
    }),
  };
}

function compactionMetrics({ counter }: Make, streams: readonly string[]) {
  return {
    compactedHours: counter('logforge_compactions_total', 'Plain hours that were compressed (storage.compressAfter)', {
      stream: streams,
    }),
    compactedBytes: counter('logforge_compaction_bytes_total', 'Bytes of those hours on disk, before and after', {
      stream: streams,
      side: ['before', 'after'],
    }),
    compactionFailures: counter(
      'logforge_compaction_failures_total',
      'Hours that could not be compressed; they stay plain, and are tried again',
    ),
  };
}

function retentionMetrics({ counter, gauge }: Make, streams: readonly string[]) {
  return {
    removedHours: counter(
      'logforge_retention_removals_total',
      'Hours removed by retention, by the limit that they exceeded',
      {
        stream: streams,
        cause: REMOVAL_CAUSES,
      },
    ),
    removedBytes: counter('logforge_retention_removed_bytes_total', 'Bytes of the files of the removed hours', {
      stream: streams,
      cause: REMOVAL_CAUSES,
    }),
    heldHours: gauge<'reader'>(
      'logforge_retention_held',
      'Hours that exceed a limit and are kept because a reader still needs them, or an older one',
      ['reader'],
    ),
    removedDeadLetterDays: counter(
      'logforge_retention_dlq_removals_total',
      'Days of dead letters removed by retention',
    ),
    retentionFailures: counter(
      'logforge_retention_failures_total',
      'Removals that failed; they are tried again in the next run',
    ),
    oldestHour: gauge<'stream'>(
      'logforge_stream_oldest_hour_timestamp_seconds',
      'Unix time of the oldest hour of a stream that has a file, where retention is on',
      ['stream'],
    ),
  };
}

function kafkaMetrics({ counter, gauge, histogram }: Make) {
  return {
    kafkaUp: gauge('kafka_up', 'Whether the broker answered when it was last asked'),
    kafkaConsumerErrors: counter(
      'kafka_consumer_errors_total',
      'Failures of consumers: fetches, joins, commits to the group',
    ),
    kafkaWriterErrors: counter('kafka_writer_errors_total', 'Sends that the broker did not acknowledge'),
    queueWaiting: gauge('logforge_queue_waiting_batches', 'Batches waiting to be sent to the broker'),
    produceDuration: histogram(
      'logforge_kafka_produce_duration_seconds',
      'Time of one send until its acknowledgement',
      SECONDS,
    ),
    produceBatches: histogram(
      'logforge_kafka_produce_batches',
      'Batches that shared one send',
      [1, 2, 5, 10, 20, 50, 100, 500],
    ),
    consumeDuration: histogram(
      'logforge_kafka_consume_duration_seconds',
      'Time from the end of collecting messages until they are stored',
      SECONDS,
    ),
    consumeDelay: histogram(
      'logforge_kafka_consume_delay_seconds',
      'Time from the sending of a record batch until it is stored, by the clocks of both',
      [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600],
    ),
    consumedDuplicates: counter(
      'logforge_kafka_duplicate_batches_total',
      'Batches consumed a second time and not stored again: resends and repeated Idempotency-Keys',
    ),
    consumerGaps: counter(
      'logforge_kafka_offset_gaps_total',
      'Offsets that were skipped because the broker no longer has them, or never showed them (transaction markers)',
    ),
    consumerBlocked: gauge('logforge_kafka_partitions_held', 'Partitions that are blocked because storage fails'),
    consumerLag: gauge<'topic' | 'partition'>(
      'logforge_kafka_consumer_lag',
      'Messages that the group has not stored yet',
      ['topic', 'partition'],
    ),
    consumerLagSeconds: gauge<'topic' | 'partition'>(
      'logforge_kafka_consumer_lag_seconds',
      'Age of the oldest message that the group has not stored yet, as exact as the interval between two checks',
      ['topic', 'partition'],
    ),
    spoolBytes: gauge('logforge_spool_bytes', 'Bytes in the disk spool'),
    spoolBatches: gauge('logforge_spool_batches', 'Batches in the disk spool'),
    spoolAge: gauge('logforge_spool_age_seconds', 'Age of the oldest batch in the disk spool'),
    breakerState: gauge<'state'>('logforge_breaker_state', '1 for the state that the circuit breaker is in', ['state']),
  };
}

function aggregationMetrics({ counter, gauge, histogram }: Make) {
  return {
    aggregationDuration: histogram('logforge_aggregation_duration_seconds', 'Time of one aggregation run', SECONDS),
    aggregationBytes: counter('logforge_aggregation_bytes_total', 'Bytes of hour files summarised'),
    aggregationSkippedLines: counter(
      'logforge_aggregation_skipped_lines_total',
      'Corrupt lines that the aggregator found',
    ),
    aggregationErrors: counter('logforge_aggregation_errors_total', 'Hours that could not be summarised'),
    damagedSummaries: counter(
      'logforge_damaged_summaries_total',
      'Summaries that could not be used when a question needed them; their hours are counted again',
    ),
    analyticsRefused: counter(
      'logforge_analytics_refused_total',
      'Questions to summaries answered 503, because too many waited or were being sent',
    ),
    aggregationLag: gauge('logforge_aggregation_lag_bytes', 'Committed bytes not yet summarised'),
    recountHours: gauge<'stream'>(
      'logforge_recount_hours',
      'Hours still to be summarised again, because the dimensions of their stream changed; those that failed stay in it until the next start',
      ['stream'],
    ),
  };
}

function queryMetrics({ counter, gauge, histogram }: Make) {
  return {
    queries: counter('logforge_queries_total', 'Queries over records (GET /records) by their outcome', {
      outcome: QUERY_OUTCOMES,
    }),
    queriesRunning: gauge('logforge_queries_running', 'Queries that run, or wait for their client to read'),
    queryDuration: histogram(
      'logforge_query_duration_seconds',
      'Time of a query from its start to its end, with the time that its client took to read',
      [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300],
    ),
    queryBytes: counter('logforge_query_bytes_read_total', 'Bytes of stored lines that queries read'),
    queryDamagedParts: counter(
      'logforge_query_damaged_parts_total',
      'Parts of hours that a query left out because they cannot be read',
    ),
  };
}

/** What became of a batch of POST /store/batch. */
export const LINE_BATCH_OUTCOMES = ['stored', 'refused', 'unavailable'] as const;

function lineStoreMetrics({ counter, gauge, histogram }: Make) {
  return {
    lineStoreBatches: counter(
      'logforge_line_store_batches_total',
      'Batches of POST /store/batch: stored, refused (4xx), or unavailable (5xx)',
      { outcome: LINE_BATCH_OUTCOMES },
    ),
    lineStoreLines: counter(
      'logforge_line_store_lines_total',
      'Lines in batches that the line store has stored, those that came again included',
    ),
    lineStoreCommits: histogram(
      'logforge_line_store_commit_duration_seconds',
      'Time of one commit of the line store, with reading the batches that share it',
      SECONDS,
    ),
    lineStoreSentLines: counter('logforge_line_store_sent_lines_total', 'Lines sent by GET /store/log'),
    lineStoreReaders: gauge(
      'logforge_line_store_readers',
      'Answers of GET /store/log and /store/files that are being sent',
    ),
  };
}

/** Why an input closed a connection, or did not accept it. */
export const INPUT_REFUSALS = ['too_many_connections', 'bad_frame', 'slow', 'idle', 'tls'] as const;
export type InputRefusal = (typeof INPUT_REFUSALS)[number];

/** Why frames of an input were dropped. */
export const INPUT_DROPS = ['full', 'stop', 'kernel', 'rate_limited', 'error'] as const;
export type InputDrop = (typeof INPUT_DROPS)[number];

/** `inputs`: the names of the inputs that there are. */
function inputMetrics({ counter, gauge }: Make, input: readonly string[]) {
  return {
    inputRecords: counter('logforge_input_records_total', 'Records that came in, invalid ones included', { input }),
    inputBytes: counter('logforge_input_bytes_total', 'Bytes of whole frames that came in', { input }),
    inputRefused: counter('logforge_input_refused_total', 'Connections that were closed or not accepted', {
      input,
      reason: INPUT_REFUSALS,
    }),
    inputDropped: counter('logforge_input_dropped_total', 'Frames that were dropped', { input, reason: INPUT_DROPS }),
    inputRetries: counter(
      'logforge_input_retries_total',
      'Blocks that were handed over again because the next stage was unavailable',
      { input },
    ),
    inputConnections: gauge('logforge_input_connections', 'Open connections', ['input']),
    inputInFlightBytes: gauge('logforge_input_in_flight_bytes', 'Bytes that were read and are not stored yet', [
      'input',
    ]),
    inputLagBytes: gauge('logforge_input_lag_bytes', 'Bytes of followed files that are not stored yet', ['input']),
    inputMaxInFlightBytes: gauge('logforge_input_max_in_flight_bytes', 'The limit of the bytes in flight', ['input']),
  };
}

function serviceMetrics({ counter, gauge }: Make) {
  return {
    logLinesDropped: counter(
      'logforge_log_lines_dropped_total',
      'Lines of the own log that were dropped because nobody read standard error',
    ),
    ready: gauge('logforge_ready', '1 when GET /ready answers 200: storage, and in version 2 the broker, can be used'),
    pipeline: gauge('logforge_pipeline', 'The pipeline that runs: 1 stores directly, 2 puts Kafka between'),
    storageFreeBytes: gauge<'folder'>(
      'logforge_storage_free_bytes',
      'Bytes that may still be written to the file system of a folder',
      ['folder'],
    ),
    storageSizeBytes: gauge<'folder'>('logforge_storage_size_bytes', 'Size of the file system of a folder', ['folder']),
    spoolLimitBytes: gauge('logforge_spool_limit_bytes', 'Bytes at which the disk spool is full; 0 without a spool'),
    buildInfo: gauge<'version' | 'commit' | 'node'>('logforge_build_info', 'Constant 1, labelled by build', [
      'version',
      'commit',
      'node',
    ]),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;

/** What one thread has counted, in a form that can be sent to another thread. */
export type MetricCounts = readonly MetricObjectWithValues<MetricValue<string>>[];

export async function readCounts({ registry }: Metrics): Promise<MetricCounts> {
  return registry.getMetricsAsJSON();
}

/** Everything that this thread and others have counted, added up, as Prometheus text. */
export async function writeExposition(metrics: Metrics, others: readonly MetricCounts[]): Promise<string> {
  if (others.length === 0) return metrics.registry.metrics();
  const counts = [await readCounts(metrics), ...others].map((one) => [...one]);
  return AggregatorRegistry.aggregate(counts).metrics();
}

/** What is counted of one stream. */
export interface StreamTotals {
  readonly records: Readonly<Record<Outcome, number>>;
  /** Bytes stored. */
  readonly bytes: number;
}

/** What this thread and others have counted of each stream. */
export async function readStreamTotals(
  { streamRecords, streamBytes }: Metrics,
  others: readonly MetricCounts[],
): Promise<ReadonlyMap<string, StreamTotals>> {
  const own: MetricCounts = [await streamRecords.get(), await streamBytes.get()];
  const all = [...own, ...others.flat()];
  const valuesOf = (name: string) => all.filter((metric) => metric.name === name).flatMap(({ values }) => values);
  const totals = new Map<string, { records: Record<Outcome, number>; bytes: number }>();
  const totalOf = (stream: string) => {
    const known = totals.get(stream);
    if (known !== undefined) return known;
    const made = { records: { stored: 0, rejected: 0, dead_lettered: 0, duplicate: 0 }, bytes: 0 };
    totals.set(stream, made);
    return made;
  };
  for (const { labels, value } of valuesOf('logforge_stream_records_total')) {
    const { stream, outcome } = labels;
    // Counted above, with no other outcomes.
    totalOf(String(stream)).records[outcome as Outcome] += value;
  }
  for (const { labels, value } of valuesOf('logforge_stream_stored_bytes_total')) {
    totalOf(String(labels.stream)).bytes += value;
  }
  return totals;
}

/** Records accepted of each kind, as this thread and others have counted them. */
export async function readKindTotals(
  { kindRecords }: Metrics,
  others: readonly MetricCounts[],
): Promise<Readonly<Record<RecordKind, number>>> {
  const own: MetricCounts = [await kindRecords.get()];
  const values = [...own, ...others.flat()].flatMap((metric) =>
    metric.name === 'logforge_kind_records_total' ? metric.values : [],
  );
  const totalOf = (kind: RecordKind) =>
    values.reduce((sum, { labels, value }) => sum + (labels.kind === kind ? value : 0), 0);
  return mapKinds(totalOf);
}

/** The sum of two threads' counters and histograms. Gauges are left out: they hold only for a moment. */
export function addCounters(one: MetricCounts, other: MetricCounts): MetricCounts {
  const sums = new Map<string, MetricCounts[number]>();
  for (const metric of [...one, ...other]) {
    // The names of the types come as text, whatever prom-client's own types say.
    if (!['counter', 'histogram'].includes(String(metric.type))) continue;
    const before = sums.get(metric.name);
    sums.set(
      metric.name,
      before === undefined ? metric : { ...metric, values: addValues(before.values, metric.values) },
    );
  }
  return [...sums.values()];
}

type Values = MetricCounts[number]['values'];

function addValues(one: Values, other: Values): Values {
  const sums = new Map<string, Values[number]>();
  for (const sample of [...one, ...other]) {
    const name = 'metricName' in sample ? sample.metricName : '';
    const key = JSON.stringify([name, Object.entries(sample.labels).sort()]);
    sums.set(key, { ...sample, value: (sums.get(key)?.value ?? 0) + sample.value });
  }
  return [...sums.values()];
}
