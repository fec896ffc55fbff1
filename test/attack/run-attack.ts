import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { createClient } from '../support/client.ts';
import { type Dirs, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually } from '../support/storage.ts';
import { HONEST_HOUR, HONEST_KEY, type Tallies, WIDE_HOUR } from './attack.ts';
import type { HonestReport } from './honest.ts';
import { BOUNDS, type Evidence, judge } from './judge.ts';
import { readProcess, watchMemory } from './process-memory.ts';
import { type PhaseSummary, renderPhase, summarisePhase } from './report.ts';
import { startProcess } from './start-process.ts';

export interface AttackPlan {
  readonly seconds: number;
  readonly seed: number;
  /** Different paths in the wide hour. */
  readonly widePaths: number;
  /** Parts of names of the hostile clients that run, separated by commas; all when absent. */
  readonly only?: string;
}

/** What one phase showed. */
export interface PhaseResult {
  readonly evidence: Evidence;
  readonly tallies: Tallies;
  /** CPU seconds of the service and of the hostile clients during the attack. */
  readonly cpuSeconds: { readonly service: number; readonly hostile: number };
}

/** Runs one phase against a service with folders of its own, and removes them. */
export async function runPhase(phase: 'open' | 'keyed', plan: AttackPlan): Promise<PhaseResult> {
  const dirs = await makeDirs('logforge-attack-');
  try {
    const service = await startService({ dirs, env: phase === 'keyed' ? KEYED : OPEN });
    try {
      return await attackService(service, phase, plan);
    } finally {
      // Ended before, when all went well.
      await service.stop('SIGKILL');
    }
  } finally {
    await removeDirs(dirs);
  }
}

const OPEN = { LOGFORGE_AGGREGATION_INTERVAL: '1s' };
/** A line for each request, so that a reader of standard error that has stopped is felt. */
const KEYED = { LOGFORGE_AUTH_ENABLED: 'true', LOGFORGE_AUTH_KEYS: HONEST_KEY, LOGFORGE_LOGGING_ACCESS: 'true' };

async function attackService(service: Service, phase: 'open' | 'keyed', plan: AttackPlan): Promise<PhaseResult> {
  const { port, pid } = service;
  const { seconds, seed, only = '' } = plan;
  if (phase === 'open') await storeWideHour(service, plan.widePaths);
  else service.stopReading();
  const memory = watchMemory(pid);
  const before = await readProcess(pid);
  const attacking = startProcess<{ tallies: Tallies; cpuSeconds: number }>('hostile.ts', {
    port,
    seconds,
    seed,
    phase,
    only,
  });
  await attacking.ready;
  attacking.begin();
  // It goes on until the hostile clients have gone, and sees what they leave.
  const auth = phase === 'keyed' ? { apiKey: HONEST_KEY } : {};
  const sending = startProcess<HonestReport>('honest.ts', { port, seconds: seconds + 1, ...auth });
  const [hostile, honest] = await Promise.all([attacking.result, sending.result]);
  const after = await readProcess(pid);
  const { peakMegabytes } = await memory.stop();
  const metrics = await readMetricsAtRest(service);
  const readyStatus = (await ask(`${service.url}/ready`)).status;
  const exitCode = await stopInTime(service);
  const lines = await readHonestLines(service.dirs);
  return {
    evidence: { honest, peakMegabytes, lines, metrics, readyStatus, exitCode },
    tallies: hostile.tallies,
    cpuSeconds: { service: after.cpuSeconds - before.cpuSeconds, hostile: hostile.cpuSeconds },
  };
}

/** An empty text when the service does not come to rest. */
async function readMetricsAtRest({ url }: Service): Promise<string> {
  for (let i = 0; i < 100; i++) {
    const { body } = await ask(`${url}/metrics`);
    if (/^logforge_records_in_flight 0$/m.test(body)) return body;
    await setTimeout(100);
  }
  return '';
}

async function ask(url: string): Promise<{ readonly status: number; readonly body: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    return { status: 0, body: String(error) };
  }
}

/** Ends the service by SIGTERM. Null: it did not end within its budget of 30 s. */
async function stopInTime(service: Service): Promise<number | null> {
  const late = setTimeout(35_000, null, { ref: false });
  const exit = await Promise.race([service.stop(), late]);
  return exit?.code ?? null;
}

/** Stores an hour with `paths` different paths, and waits for its summary. */
async function storeWideHour({ port }: Service, paths: number): Promise<void> {
  const client = createClient(port, { connections: 1 });
  const batch = 5_000;
  for (let first = 0; first < paths; first += batch) {
    const lines = Array.from({ length: Math.min(batch, paths - first) }, (_, i) => {
      const path = `/wide/${String(first + i).padStart(40, '0')}`;
      return `{"timestamp":"${WIDE_HOUR}:00:00Z","path":"${path}","userAgent":"wide"}\n`;
    });
    const { status, body } = await client.post(lines.join(''), { 'Content-Type': 'application/x-ndjson' });
    if (status !== 202) throw new Error(`cannot prepare the wide hour: ${status} ${body}`);
  }
  await eventually(async () => {
    const { body } = await client.get(`/analytics?hour=${WIDE_HOUR}&top=1`);
    if (!body.includes(`"totalRequests": ${paths},`))
      throw new Error(`the wide hour is not summarised: ${body.slice(0, 200)}`);
  }, 60_000);
  client.close();
}

async function readHonestLines({ logs }: Dirs): Promise<string[]> {
  const [day = '', hour = ''] = HONEST_HOUR.split('T');
  const text = await readFile(join(logs, day, `${hour}.log.json`), 'utf8');
  return text.trimEnd().split('\n');
}

if (process.argv[1] === import.meta.filename) {
  const seconds = Number(process.env.SECONDS ?? 60);
  const seed = Number(process.env.SEED ?? 1);
  const only = process.env.ONLY ?? '';
  const report = process.env.REPORT ?? '';
  const summaries: PhaseSummary[] = [];
  console.log(`attack: ${seconds} s, seed ${seed}${only === '' ? '' : `, only ${only}`}`);
  const plans = [
    ['open', { seconds, seed, only, widePaths: 300_000 }],
    ['keyed', { seconds: Math.min(10, seconds), seed, only, widePaths: 0 }],
  ] as const;
  for (const [phase, plan] of plans) {
    const result = await runPhase(phase, plan);
    const problems = judge(result.evidence, { timed: true });
    const summary = summarisePhase(phase, result, problems);
    summaries.push(summary);
    console.log(renderPhase(summary));
    if (problems.length > 0) process.exitCode = 1;
  }
  if (report !== '')
    await writeFile(report, JSON.stringify({ seconds, seed, only, bounds: BOUNDS, phases: summaries }));
}
