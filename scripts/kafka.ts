/**
 * The development broker from the command line:
 *
 *   node scripts/kafka.ts start | stop | status | topic [--port 19092] [--dir DIR] [--topic logs] [--partitions 4]
 *
 * Each may run twice: work that is done already is not repeated, and no data is ever deleted.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createLog } from '../src/log.ts';
import { createMetrics } from '../src/metrics/metrics.ts';
import { createKafkaQueue } from '../src/queue/kafka/kafka-queue.ts';
import { runningBroker, startBrokerProcess, stopBrokerProcess } from '../test/support/broker-process.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string', default: '19092' },
    dir: { type: 'string', default: 'data/kafka' },
    topic: { type: 'string', default: 'logs' },
    partitions: { type: 'string', default: '4' },
  },
});
// Absolute, because the broker runs in another folder.
const dir = resolve(values.dir);
const port = Number(values.port);

async function start(): Promise<string> {
  const running = await runningBroker(dir);
  if (running !== undefined) return `the broker runs already, pid ${running}`;
  return `the broker runs on localhost:${port}, pid ${await startBrokerProcess({ dir, port })}`;
}

async function stop(): Promise<string> {
  await stopBrokerProcess(dir);
  return `no broker runs in ${dir}; its data is kept`;
}

async function status(): Promise<string> {
  const running = await runningBroker(dir);
  if (running === undefined) throw new Error(`no broker runs in ${dir}`);
  return `the broker runs, pid ${running}`;
}

/** Creates the topic by the same code as the service. */
async function topic(): Promise<string> {
  const log = createLog({ level: 'warn', format: 'auto' });
  const queue = createKafkaQueue({
    stream: 'access',
    client: 'kafkajs',
    clientId: 'logforge-admin',
    groupId: 'logforge-admin',
    topic: values.topic,
    log,
    brokers: (process.env.KAFKA_BROKERS || `localhost:${port}`).split(','),
    partitions: Number(values.partitions),
    replication: 1,
    maxMessageBytes: 49 * 1024 * 1024,
    compression: 'none',
    requireAllAcks: true,
    sendTimeoutMs: 5_000,
    topicMaxAgeMs: 60_000,
    sessionTimeoutMs: 10_000,
    watchMs: 5_000,
    fetch: { minBytes: 1, maxWaitMs: 500, maxBytesPerPartition: 1024, maxBytes: 1024 },
    format: 'ndjson',
    batchBytes: 1024,
    batchTimeoutMs: 0,
    maxWaitingBytes: 1024,
    flush: { bytes: 1024, intervalMs: 1 },
    metrics: createMetrics({ defaultMetrics: false }),
  });
  try {
    await queue.check();
    return `topic ${values.topic} exists`;
  } finally {
    await queue.close();
    log.close();
  }
}

const COMMANDS: Readonly<Record<string, () => Promise<string>>> = { start, stop, status, topic };
const run = COMMANDS[positionals[0] ?? ''];
if (run === undefined || positionals.length !== 1) {
  console.error('usage: node scripts/kafka.ts start | stop | status | topic [--port N] [--dir DIR] [--topic NAME]');
  process.exitCode = 2;
} else {
  try {
    console.log(await run());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
