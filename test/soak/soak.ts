import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HonestReport } from '../attack/honest.ts';
import { readFamily, readMachine } from '../attack/process-memory.ts';
import { startProcess } from '../attack/start-process.ts';
import { readNumbers } from '../support/batch-maker.ts';
import { createClient } from '../support/client.ts';
import { startBroker, type TestBroker } from '../support/kafka-broker.ts';
import { createRandom } from '../support/random.ts';
import { createSentBatches } from '../support/sent-batches.ts';
import { type Dirs, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually } from '../support/storage.ts';
import { createStoreReader } from '../support/store-reader.ts';
import { awaitStored, createStream, type Stream, startVersion2 } from '../support/version2.ts';
import { createWorkload } from '../support/workload.ts';
import { createBursts } from './burst.ts';
import { createHonest, describeLatency } from './honest-hours.ts';
import type { Phase, SoakPlan, Stretch } from './plan.ts';
import { countConnections, GAUGES_AT_REST, type Place, type Sample, startSampler, sumOf } from './sampler.ts';
import { createTraffic } from './traffic.ts';
import { type Growth, judgeGrowth, judgeLargest, type Largest, type Latency } from './verdict.ts';

/** What a soak showed. */
export interface SoakResult {
  readonly plan: SoakPlan;
  readonly growth: readonly Growth[];
  readonly largest: readonly Largest[];
  /** Promises that were not kept, other than the growth and the largest values. */
  readonly problems: readonly string[];
  readonly records: { readonly acknowledged: number; readonly burst: number; readonly honest: number };
  /** Batches that ended without an answer; each is stored whole or not at all. */
  readonly unknownBatches: number;
  readonly burstRecordsPerSecond: number;
  readonly requests: Readonly<Record<string, number>>;
  /** From the start of a process to its readiness, ms, and how the one before ended. */
  readonly starts: readonly { readonly after: string; readonly ms: number }[];
  /** Share of the machine's CPU time that other programs took; in version 2 the broker is one. */
  readonly others: number;
  readonly latencies: readonly Latency[];
  readonly samples: readonly Sample[];
}

export interface SoakOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Said as it happens. */
  readonly say?: (line: string) => void;
}

/** A preload for NODE_OPTIONS. */
export const LEAK = join(import.meta.dirname, 'leak.ts');
const COLLECT = join(import.meta.dirname, 'collect.ts');

const FIRST_HOUR = Date.parse('2015-05-17T00:00:00Z');
/** Hours by which record times move on in a cycle. */
const HOURS_A_CYCLE = 6;
/** The year of the honest clients' records. Each of their batches has a path of its own, so each cycle has an hour of its own. */
const HONEST_YEAR = 2017;
/** The part of an idle phase before the collection: the summaries of the burst are written by then. The rest is judged. */
const BEFORE_COLLECTION = 0.45;
const BURST_REQUESTS_A_SECOND = 250;
/** Keys expire within the soak. A batch is repeated within a few seconds, so never after its key. */
const KEY_WINDOW = '120s';
const AT_REST_WITHIN_MS = 10_000;
const ENV = { LOGFORGE_AGGREGATION_INTERVAL: '1s', LOGFORGE_INGESTION_IDEMPOTENCY_WINDOW: KEY_WINDOW };

/** Runs the plan against new folders, and removes them unless it throws. */
export async function runSoak(plan: SoakPlan, options: SoakOptions = {}): Promise<SoakResult> {
  const dirs = await makeDirs('logforge-soak-');
  const broker = plan.version === 2 ? await startBroker() : undefined;
  try {
    const result = await soak(plan, dirs, broker, options);
    await removeDirs(dirs);
    return result;
  } catch (error) {
    throw new Error(`the soak failed with SEED=${plan.seed}; the data is left in ${dirs.root}`, { cause: error });
  } finally {
    await broker?.dispose();
  }
}

// Long: the state of one soak, and the steps that share it.
async function soak(
  plan: SoakPlan,
  dirs: Dirs,
  broker: TestBroker | undefined,
  { env = {}, say = () => undefined }: SoakOptions,
): Promise<SoakResult> {
  const [machine, family] = [await readMachine(), await readFamily()];
  const random = createRandom(plan.seed);
  const stream = broker === undefined ? undefined : createStream(broker.brokers, ENV);
  const sent = createSentBatches();
  const firstHour = () => FIRST_HOUR + place.cycle * HOURS_A_CYCLE * 3_600_000;
  const workload = createWorkload(random.fork(), sent, { refusal: stream === undefined ? 'final' : 'open', firstHour });
  const traffic = createTraffic({ workload, sent, random: random.fork(), firstHour });
  const bursts = createBursts();
  const honest = createHonest();
  const problems: string[] = [];
  const samples: Sample[] = [];
  const latencies: Latency[] = [];
  const starts: { after: string; ms: number }[] = [];
  const began = performance.now();
  let place: Place = { stretch: 0, cycle: 0, phase: 'idle', phaseBegan: began, stretchBegan: began };
  let reader = createStoreReader(dirs.logs);

  const enter = (phase: Phase) => {
    place = { ...place, phase, phaseBegan: performance.now() };
  };

  /** Compares what is stored with what was answered. Nothing is in flight. */
  async function compare(service: Service | undefined): Promise<void> {
    if (stream !== undefined && service !== undefined) await awaitAllStored(service, stream);
    await reader.readNew((hour, line) => {
      if (bursts.isBurst(hour)) bursts.found(hour, line);
      else if (hour.startsWith(`${HONEST_YEAR}-`)) honest.found(line);
      else {
        const { batch, index } = readNumbers(line);
        sent.found(batch, index);
      }
    });
    problems.push(...sent.check(), ...bursts.check(), ...honest.check());
  }

  async function underLoad(service: Service, phase: 'steady' | 'burst'): Promise<void> {
    enter(phase);
    const seconds = plan.seconds[phase];
    const at = { ...place };
    const prefix = `${place.cycle}${phase}`;
    const hour = new Date(Date.UTC(HONEST_YEAR, 0, 1, place.cycle)).toISOString().slice(0, 'YYYY-MM-DDTHH'.length);
    const measuring = startProcess<HonestReport>('honest.ts', { port: service.port, seconds, hour, prefix }).result;
    const load = async () => {
      const over = AbortSignal.timeout(Math.round(seconds * 1_000));
      setMaxListeners(0, over);
      if (phase === 'steady') await traffic.run(service.port, over);
      else await bursts.run(service.port, Math.ceil(seconds * BURST_REQUESTS_A_SECOND));
    };
    const [report] = await Promise.all([measuring, load()]);
    honest.sent(report);
    latencies.push(describeLatency(report, phase, at, began));
  }

  async function runCycle(service: Service): Promise<void> {
    await underLoad(service, 'steady');
    await underLoad(service, 'burst');
    enter('idle');
    await sleep(plan.seconds.idle * 1_000 * BEFORE_COLLECTION);
    process.kill(service.pid, 'SIGUSR2');
    await sleep(plan.seconds.idle * 1_000 * (1 - BEFORE_COLLECTION));
    problems.push(...(await checkAtRest(service)));
    const last = samples.at(-1);
    if (last !== undefined) say(describeCycle(place, last, latencies.at(-2)));
    place = { ...place, cycle: place.cycle + 1 };
  }

  /** Ends the service with its signal, after some more acknowledgements. */
  async function endUnderLoad(service: Service, { signal, afterBatches }: Stretch): Promise<void> {
    const client = createClient(service.port, { connections: 8 });
    let isOver = false;
    const load = workload.run(client, { clients: 8, isOver: () => isOver });
    const target = workload.acknowledged() + afterBatches;
    const reach = async () => {
      while (!isOver && workload.acknowledged() < target) await sleep(1);
    };
    await Promise.race([reach(), load]);
    isOver = true;
    const exit = await service.stop(signal);
    await load;
    client.close();
    if (signal === 'SIGTERM' && exit.code !== 0)
      problems.push(`SIGTERM ended the service with ${exit.code ?? exit.signal}`);
  }

  async function start(after: string): Promise<Service> {
    const from = performance.now();
    const preloads = [`--import=${COLLECT}`, env.NODE_OPTIONS].filter((option) => option !== undefined).join(' ');
    const options = { dirs, env: { ...ENV, ...env, NODE_OPTIONS: preloads } };
    const service = stream === undefined ? await startService(options) : await startVersion2(stream, options);
    const client = createClient(service.port, { connections: 1 });
    await eventually(async () => {
      const { status } = await client.get('/ready');
      if (status !== 200) throw new Error(`GET /ready answers ${status}`);
    }, 60_000).finally(() => client.close());
    starts.push({ after, ms: performance.now() - from });
    return service;
  }

  async function runStretch(stretch: Stretch, number: number): Promise<void> {
    const service = await start(number === 0 ? 'new folders' : (plan.stretches[number - 1]?.signal ?? ''));
    try {
      await compare(service);
      place = { ...place, stretch: number, stretchBegan: performance.now() };
      enter('idle');
      const onSample = (sample: Sample) => void samples.push(sample);
      const sampler = startSampler({ service, began, place: () => place, onSample });
      for (let cycle = 0; cycle < stretch.cycles; cycle++) await runCycle(service);
      await sampler.stop();
      if (number < plan.stretches.length - 1) {
        await endUnderLoad(service, stretch);
        return;
      }
      const client = createClient(service.port);
      await workload.settle(client);
      client.close();
      await compare(service);
      const exit = await service.stop();
      if (exit.code !== 0) problems.push(`SIGTERM ended the service with ${exit.code ?? exit.signal}`);
    } finally {
      await service.stop('SIGKILL');
    }
  }

  for (const [number, stretch] of plan.stretches.entries()) await runStretch(stretch, number);
  sent.recount();
  bursts.recount();
  honest.recount();
  reader = createStoreReader(dirs.logs);
  await compare(undefined);
  const { busySeconds, allSeconds } = await readMachine();
  const busyOthers = busySeconds - machine.busySeconds - ((await readFamily()) - family);
  const totals = sent.totals();
  const burst = bursts.totals();
  return {
    plan,
    growth: judgeGrowth(samples, latencies, plan.warmUpSeconds),
    largest: judgeLargest(samples, latencies),
    problems: [...new Set([...problems, ...traffic.problems()])],
    records: { acknowledged: totals.stored, burst: burst.records, honest: honest.records() },
    unknownBatches: totals.unknown,
    burstRecordsPerSecond: burst.records / burst.seconds,
    requests: { ...traffic.counts(), 'acknowledged batches': totals.acknowledged },
    starts,
    others: Math.max(0, busyOthers) / (allSeconds - machine.allSeconds),
    latencies,
    samples,
  };
}

/** What is not 0 although nobody has sent for a while. */
async function checkAtRest({ pid, port }: Service): Promise<string[]> {
  const client = createClient(port, { connections: 1 });
  try {
    await eventually(async () => {
      const { body } = await client.get('/metrics');
      const busy = GAUGES_AT_REST.filter((name) => sumOf(body, name) !== 0);
      // The sampler's and this one.
      const connections = (await countConnections(pid, port)) - 2;
      const ready = (await client.get('/ready')).status;
      const found = [
        ...busy.map((name) => `${name} is ${sumOf(body, name)}`),
        ...(connections > 0 ? [`${connections} connections are open`] : []),
        ...(ready === 200 ? [] : [`GET /ready answers ${ready}`]),
      ];
      if (found.length > 0) throw new Error(`at rest ${found.join(', ')}`);
    }, AT_REST_WITHIN_MS);
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  } finally {
    client.close();
  }
}

/** Not by fetch, which keeps its connection open: at rest it would count. */
async function awaitAllStored({ port }: Service, stream: Stream): Promise<void> {
  const client = createClient(port, { connections: 1 });
  await eventually(async () => {
    const { body } = await client.get('/metrics');
    const busy = GAUGES_AT_REST.filter((name) => sumOf(body, name) !== 0);
    if (busy.length > 0) throw new Error(`not all is stored: ${busy.join(', ')}`);
  }, 60_000).finally(() => client.close());
  await awaitStored(stream);
}

function describeCycle({ stretch, cycle }: Place, sample: Sample, steady: Latency | undefined): string {
  const { rss, heapUsed, external, descriptors, openHourFiles, journal, keys, idempotencyKeys } = sample;
  const parts = [
    `cycle ${cycle + 1} of stretch ${stretch + 1}:`,
    `idle ${rss.toFixed(0)} MB (heap ${heapUsed.toFixed(0)}, buffers ${external.toFixed(0)}),`,
    `${descriptors} descriptors (${openHourFiles} hour files),`,
    `journal ${journal.toFixed(0)} MB, ${idempotencyKeys} keys (${keys.toFixed(1)} MB on disk),`,
    `honest p99 ${steady?.p99.toFixed(1)} ms`,
  ];
  return parts.join(' ');
}
