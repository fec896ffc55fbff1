import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { createDecoders } from '../decode/decoders.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { systemClock } from '../model/clock.ts';
import type { Deliver } from '../model/deliver.ts';
import type { Schemas } from '../model/schema.ts';
import { isDefaultStream, type Stream, type StreamName } from '../model/stream.ts';
import { fetchLimits } from '../queue/kafka/driver.ts';
import { createKafkaQueue } from '../queue/kafka/kafka-queue.ts';
import type { Queue } from '../queue/queue.ts';
import { openSpool, type Spool } from '../queue/spool/spool.ts';
import { sendByStream } from '../queue/stream-queues.ts';
import type { Repo } from '../repo/repo.ts';
import type { Lifecycle } from '../runtime/lifecycle.ts';
import { type Accounting, createAccounting } from '../service/accounting.ts';
import { createBreaker } from '../service/breaker.ts';
import { createConsumer } from '../service/consume.ts';
import { batchAsDeadLetters } from '../service/dead-letter.ts';
import { withDeadline } from '../service/deadline.ts';
import { divideByStream } from '../service/divide.ts';
import { withIdempotency } from '../service/idempotency.ts';
import { createKeyMemory } from '../service/key-memory.ts';
import { storeRemovedStreams } from '../service/removed-streams.ts';
import { withBatchId, withRetry } from '../service/retry.ts';
import { startSpooling } from '../service/spooling.ts';
import type { Pipeline } from './direct.ts';
import { decodeLimits, streamOf, streamsOf } from './streams.ts';

export interface QueuedPipelineParts {
  readonly config: Config;
  readonly repo: Repo;
  readonly schemas: Schemas;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
  /** A part failed permanently: the process should end. */
  readonly onFatal: (error: Error) => void;
}

/**
 * Version 2: a batch goes to the broker, or to the spool while the broker is unavailable, and is then acknowledged.
 * Consumers of the same process store what the broker gives out.
 */
export async function startQueuedPipeline(parts: QueuedPipelineParts): Promise<Pipeline> {
  const { config, repo, metrics, lifecycle } = parts;
  const accounting = createAccounting({ records: metrics.records, streamRecords: metrics.streamRecords });
  const queues = openQueues(parts);
  const all = [...queues.values()];
  warnOfOtherTopics(parts);
  lifecycle.started('queue', async () => void (await Promise.all(all.map((queue) => queue.close()))));
  for (const [name, queue] of queues) startConsumers({ ...parts, accounting, queue, stream: streamOf(config, name) });
  const send = await createSend({ ...parts, accounting }, sendByStream(queues));

  const { idempotencyWindow: windowMs, idempotencyMaxKeys: maxKeys } = config.ingestion;
  const now = () => repo.idempotency.now();
  const memory = createKeyMemory({ windowMs, maxKeys, now });
  const once = (deliver: Deliver): Deliver =>
    withIdempotency({
      deliver,
      find: (used) => memory.find(used) ?? repo.idempotency.find(used),
      now,
      durability: 'broker',
    });
  const deliver = memory.wrap(withBatchId(send, () => randomUUID()));
  return {
    deliver: once(divideByStream({ deliver, deliverOnce: once(deliver) })),
    checks: { kafka: async () => void (await Promise.all(all.map((queue) => queue.check()))) },
    accountings: [accounting],
  };
}

/** Each stream has a topic and a group of its own: those of the configuration for `access`, else with its name after them. */
function namesOf({ kafka: { topic, groupID } }: Config, stream: StreamName) {
  const suffix = isDefaultStream(stream) ? '' : `-${stream}`;
  return { topic: `${topic}${suffix}`, groupId: `${groupID}${suffix}` };
}

function openQueues({ config, metrics, log }: QueuedPipelineParts): ReadonlyMap<StreamName, Queue> {
  const options = kafkaOptions(config, metrics, log.child({ brokers: config.kafka.brokers.join(',') }));
  const open = (stream: StreamName): Queue => createKafkaQueue({ ...options, stream, ...namesOf(config, stream) });
  return new Map(Array.from(streamsOf(config).keys(), (stream) => [stream, open(stream)]));
}

/** A stream was removed from the configuration, or the topic got another name: what is left in the old one waits there. */
function warnOfOtherTopics({ config, repo, log }: QueuedPipelineParts): void {
  const ours = new Set(Array.from(streamsOf(config).keys(), (stream) => namesOf(config, stream).topic));
  const others = new Set(repo.offsets().flatMap(({ topic }) => (ours.has(topic) ? [] : [topic])));
  const message =
    'a topic that was read before belongs to no stream of the configuration; what is left in it is not read';
  for (const topic of others) log.warn(message, { topic });
}

function startConsumers(
  parts: QueuedPipelineParts & { readonly queue: Queue; readonly accounting: Accounting; readonly stream: Stream },
): void {
  const { config, repo, schemas, metrics, log, queue, accounting, stream, onFatal } = parts;
  const handler = createConsumer({
    repo,
    metrics,
    log,
    accounting: accounting.of(stream.name),
    firstHour: repo.retention.firstHour,
    onFatal,
    stream: stream.name,
    decoders: createDecoders(stream, schemas),
    decode: decodeLimits(config),
    backoff: backoffOf(config),
    clock: systemClock,
  });
  // The queue's close stops them.
  for (let i = 0; i < config.kafka.consumers; i++) queue.consume(handler);
}

/** How a batch goes to the broker: through the circuit breaker, and with the spool or with retries for when that fails. */
async function createSend(
  parts: QueuedPipelineParts & { readonly accounting: Accounting },
  enqueue: Deliver,
): Promise<Deliver> {
  const { config, metrics, log } = parts;
  const { spool, circuit } = config.queue;
  const breaker = createBreaker({
    failures: circuit.failures,
    cooldownMs: circuit.cooldown,
    clock: systemClock,
    metrics,
    onChange: (state) => log.warn('circuit breaker', { state, brokers: config.kafka.brokers.join(',') }),
  });
  const resend = breaker.wrap(enqueue);
  if (!spool.enabled) return withRetry(resend, backoffOf(config));
  // A request must be answered in time, by the spool if not by the broker.
  const send = breaker.wrap(withDeadline(enqueue, config.server.requestTimeout / 2));
  const streams = streamsOf(config);
  const isConfigured = (stream: StreamName) => streams.has(stream);
  const { firstHour } = parts.repo.retention;
  return spoolInFront({
    ...parts,
    send,
    resend: storeRemovedStreams({ ...parts, deliver: resend, isConfigured, firstHour }),
  });
}

/** With the spool a request waits for no retry: what fails once goes to the spool, and its drain tries again. */
async function spoolInFront(
  parts: QueuedPipelineParts & { readonly send: Deliver; readonly resend: Deliver },
): Promise<Deliver> {
  const { config, repo, metrics, log, lifecycle, send, resend } = parts;
  const { maxBytes } = config.queue.spool;
  const spool: Spool = await openSpool({ dir: config.storage.stateDir, maxBytes, metrics, log });
  lifecycle.started('spool', () => spool.close());
  const spooling = startSpooling({
    spool,
    log,
    deliver: send,
    redeliver: resend,
    backoff: backoffOf(config),
    undeliverable: async ({ id, batch, deadLetters = [] }, reason) => {
      const about = { time: Date.now(), stage: 'consume', reason, source: `spool:${id}` } as const;
      await repo.append([], { deadLetters: [...deadLetters, ...batchAsDeadLetters(batch, about)] });
    },
  });
  lifecycle.started('spool drain', () => spooling.stop());
  return spooling.deliver;
}

/** The longest pause between two attempts, in milliseconds. */
const MAX_BACKOFF_MS = 10_000;

function backoffOf({ queue }: Config) {
  return { retries: queue.retries, firstMs: queue.retryBackoff, maxMs: Math.max(MAX_BACKOFF_MS, queue.retryBackoff) };
}

/**
 * A CSV body can grow threefold when its rows become lines. A broker takes requests of up to 100 MiB unless it is
 * configured otherwise (socket.request.max.bytes).
 */
const LARGEST_MESSAGE_BYTES = 96 * 1024 * 1024;
const BODY_GROWTH = 3;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** Long enough for a send of many megabytes to a distant broker. */
const MIN_SEND_TIMEOUT_MS = 10_000;
/** The least that a broker takes unless it is configured otherwise (group.min.session.timeout.ms). */
const SESSION_TIMEOUT_MS = 6_000;
const TOPIC_MAX_AGE_MS = 10_000;
const WATCH_MS = 5_000;

type StreamOptions = 'stream' | 'topic' | 'groupId';

function kafkaOptions(
  config: Config,
  metrics: Metrics,
  log: Log,
): Omit<Parameters<typeof createKafkaQueue>[0], StreamOptions> {
  const { kafka, server, consumer, storage } = config;
  const { maxBodyBytes } = server;
  return {
    metrics,
    log,
    clientId: 'logforge',
    stateDir: storage.stateDir,
    client: kafka.client,
    brokers: kafka.brokers,
    partitions: kafka.partitions,
    replication: kafka.replication,
    format: kafka.format,
    compression: kafka.compression,
    requireAllAcks: kafka.requireAllAcks,
    batchBytes: kafka.batchBytes,
    batchTimeoutMs: kafka.batchTimeout,
    maxMessageBytes: Math.min(maxBodyBytes * BODY_GROWTH + 1024 * 1024, LARGEST_MESSAGE_BYTES),
    maxWaitingBytes: Math.max(MAX_WAITING_BYTES, maxBodyBytes * BODY_GROWTH),
    sendTimeoutMs: Math.max(server.requestTimeout, MIN_SEND_TIMEOUT_MS),
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    topicMaxAgeMs: TOPIC_MAX_AGE_MS,
    watchMs: WATCH_MS,
    fetch: fetchLimits(kafka.partitions),
    flush: { bytes: consumer.flushBytes, intervalMs: consumer.flushInterval },
    ssl: kafka.ssl.enabled ? readTls(kafka.ssl) : undefined,
    sasl: kafka.sasl.mechanism === 'none' ? undefined : { ...kafka.sasl, mechanism: kafka.sasl.mechanism },
  };
}

function readTls({ caFile, certFile, keyFile, rejectUnauthorized }: Config['kafka']['ssl']) {
  const read = (file: string): string | undefined => (file === '' ? undefined : readFileSync(file, 'utf8'));
  return { ca: read(caFile), cert: read(certFile), key: read(keyFile), rejectUnauthorized };
}
