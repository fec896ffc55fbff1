/**
 * A process that receives records: the product's own input, decoding and store, put together as the service does it, without HTTP. Its
 * `deliver` also notes when each batch is committed. run.ts starts it and talks to it by Node's channel: see messages.ts.
 */
import { createDirectPipeline } from '../../src/app/direct.ts';
import { createInputs } from '../../src/app/inputs.ts';
import { streamsOf } from '../../src/app/streams.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { createLog, type Log } from '../../src/log.ts';
import { createMetrics, type Metrics } from '../../src/metrics/metrics.ts';
import { BUILTIN_SCHEMAS } from '../../src/model/builtin-schemas.ts';
import { type Batch, countRecords } from '../../src/model/chunk.ts';
import type { Deliver } from '../../src/model/deliver.ts';
import { FirstHours } from '../../src/model/first-hours.ts';
import { openRepo } from '../../src/repo/file-repo.ts';
import { createLifecycle } from '../../src/runtime/lifecycle.ts';
import {
  type Dropped,
  type FromReceiver,
  type Received,
  type ReceiverInput,
  readInput,
  type ToReceiver,
} from './messages.ts';
import { microsSince, readTime } from './records.ts';

/** After this time without a commit nothing more comes: what is missing then is lost. */
const QUIET_MS = 600;
/** Time for the stop. */
const STOP_MS = 20_000;

/** One commit: when, in ms, and the records and CPU time until then. */
interface Mark {
  readonly at: number;
  readonly records: number;
  readonly cpu: NodeJS.CpuUsage;
}

const { size, isTimed, warmUpMs, epochNs, yaml } = readInput<ReceiverInput>();
const epoch = BigInt(epochNs);
const marks: Mark[] = [];
const latencies: number[] = [];
let begunAt = 0;
/** Records that were stored or became dead letters. */
let taken = 0;

const { config } = loadConfig({ file: 'receiver.yaml', text: yaml, env: process.env });
const log = createLog({ level: 'error', format: 'json' });
const lifecycle = createLifecycle(log);
const { stop } = await start(config);

process.on('disconnect', () => process.exit(1));
process.on('message', (message: ToReceiver) => {
  if (message.kind === 'begin') begin();
  else finish(message.records).catch(fail);
});

async function start(loaded: Config) {
  const streams = [...streamsOf(loaded).keys()];
  const metrics = createMetrics({ defaultMetrics: false, streams, inputs: loaded.inputs.map(({ name }) => name) });
  const repo = await openStore(loaded, metrics);
  const inputs = createInputs({
    config: loaded,
    schemas: BUILTIN_SCHEMAS,
    firstHours: new FirstHours(streams),
    deliver: noting(createDirectPipeline({ config: loaded, repo }).deliver),
    metrics,
    positionOf: () => undefined,
    log: announcing(log),
    lifecycle,
  });
  await inputs.start();
  return {
    async stop(): Promise<Dropped> {
      await lifecycle.stop(STOP_MS);
      await repo.close();
      log.close();
      const { values } = await metrics.inputDropped.get();
      const sum = (isWanted: (reason: unknown) => boolean) =>
        values.reduce((total, { labels, value }) => (isWanted(labels.reason) ? total + value : total), 0);
      return { datagrams: sum((reason) => reason === 'kernel'), frames: sum((reason) => reason !== 'kernel') };
    },
  };
}

/** The log says where an input listens: only there is the port that the system chose. */
function announcing(inner: Log): Log {
  return {
    ...inner,
    info(message, fields) {
      const where: unknown = fields?.where;
      if (typeof where === 'string') tell({ kind: 'open', where });
      inner.info(message, fields);
    },
  };
}

function openStore({ storage, ingestion, server }: Config, metrics: Metrics) {
  return openRepo({
    logsDir: storage.logsDir,
    dlqDir: storage.dlqDir,
    stateDir: storage.stateDir,
    durability: storage.durability,
    idempotency: { windowMs: ingestion.idempotencyWindow, maxKeys: ingestion.idempotencyMaxKeys },
    maxWaitMs: server.requestTimeout,
    maxBatchBytes: ingestion.maxBatchBytes,
    metrics,
    log,
  });
}

/** Delivers, and notes the moment at which a batch is committed. */
function noting(deliver: Deliver): Deliver {
  return async function deliverAndNote(batch, note) {
    const times = isTimed ? timesOf(batch) : [];
    const receipt = await deliver(batch, note);
    taken += countRecords(batch) + (note?.deadLetters?.length ?? 0);
    marks.push({ at: performance.now(), records: taken, cpu: process.cpuUsage() });
    const now = microsSince(epoch);
    for (const time of times) if (time > 0) latencies.push(now - time);
    return receipt;
  };
}

/** When each record was sent. */
function timesOf(batch: Batch): number[] {
  return batch.flatMap(({ lines }) => {
    const times: number[] = [];
    for (let at = 0; at < lines.length; at = lines.indexOf(10, at) + 1)
      if (lines[at + size - 1] === 10) times.push(readTime(lines, at));
    return times;
  });
}

function begin(): void {
  marks.length = 0;
  latencies.length = 0;
  begunAt = performance.now();
  marks.push({ at: begunAt, records: taken, cpu: process.cpuUsage() });
}

async function finish(records: number): Promise<void> {
  const askedAt = performance.now();
  const isQuiet = () => performance.now() - Math.max(marks.at(-1)?.at ?? 0, askedAt) > QUIET_MS;
  while (taken < records && !isQuiet()) await new Promise((resolve) => setTimeout(resolve, 5));
  tell({ kind: 'stored', ...describe() });
  tell({ kind: 'closed', ...(await stop()) });
  process.disconnect?.();
}

function describe(): Received {
  const last = marks.at(-1) as Mark;
  // The first mark is that of the beginning. A receiver that had no commit since has its time counted from then.
  const first = marks.findLast(({ at }) => at - begunAt <= warmUpMs) as Mark;
  const cpu = last.cpu.user - first.cpu.user + last.cpu.system - first.cpu.system;
  const sorted = Float64Array.from(latencies).sort();
  const percentile = (share: number) => (sorted[Math.ceil(share * sorted.length) - 1] ?? 0) / 1000;
  return {
    measured: last.records - first.records,
    seconds: (last.at - first.at) / 1000,
    cpuSeconds: cpu / 1e6,
    latencyMs: sorted.length > 0 ? { p50: percentile(0.5), p99: percentile(0.99) } : undefined,
    peakMegabytes: process.resourceUsage().maxRSS / 1000,
  };
}

function tell(message: FromReceiver): void {
  process.send?.(message);
}

function fail(error: unknown): void {
  process.stderr.write(`receiver: ${String(error)}\n`);
  process.exit(1);
}
