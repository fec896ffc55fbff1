import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createRandom } from '../support/random.ts';
import type { Dirs } from '../support/service.ts';
import { type BrokerUnderTest, startBrokerUnderTest } from './broker-under-test.ts';
import { createDeploymentV1, type LifeCompression } from './deployment-v1.ts';
import { createDeploymentV2 } from './deployment-v2.ts';
import { FAULTS } from './faults.ts';
import { type LifeResult, runLife } from './life.ts';
import { makeLifeFolder } from './life-folder.ts';
import { planLife } from './plan.ts';
import type { Deployment, Fault, LifePlan, Version } from './reliability.ts';
import { renderRound, renderTable, summarise } from './report.ts';

/*
 * The command: `make reliability ROUNDS=50 SEED=1 VERSION=1 ONLY=kill,freeze REPORT=report.json`. `COMPRESSION=zstd|mixed`: of version 1. `FROM=4`: begins with life 4.
 * `LIFE=4`: that life alone, whole. It stops at the first problem, prints the command that repeats the life, and leaves its folders.
 */
const { env } = process;
const SEED = Number(env.SEED || Date.now() % 2 ** 31);
const ROUNDS = Number(env.ROUNDS || 50);
const VERSION = env.VERSION || '1';
const ONLY = env.ONLY ?? '';
const COMPRESSION = readCompression(env.COMPRESSION || 'none');
const LIFE = env.LIFE ? Number(env.LIFE) : undefined;
const isQuiet = process.argv.includes('--quiet') || env.QUIET === '1';

function readCompression(text: string): LifeCompression {
  if (text === 'none' || text === 'zstd' || text === 'mixed') return text;
  throw new Error(`COMPRESSION must be none, zstd or mixed, got ${text}`);
}

function chooseFaults(only: string): Fault[] {
  return FAULTS.filter(({ name }) => only.split(',').some((part) => name.includes(part)));
}

/** The broker of all lives of version 2. The first of them starts it. */
let broker: BrokerUnderTest | undefined;

async function createDeployment(dirs: Dirs, { version, seed, life }: LifePlan): Promise<Deployment> {
  if (version === 1) return createDeploymentV1(dirs, COMPRESSION);
  broker ??= await startBrokerUnderTest();
  return createDeploymentV2({ folder: dirs.root, random: createRandom(seed + Math.imul(life, 0x9e3779b1)), broker });
}

async function runOne(plan: LifePlan): Promise<LifeResult> {
  const folder = await makeLifeFolder(plan);
  const { dirs } = folder;
  const deployment = await createDeployment(dirs, plan);
  const onRound = (result: Parameters<typeof renderRound>[0]) => {
    if (!isQuiet || result.problems.length > 0) console.log(renderRound({ ...result, life: plan.life }));
  };
  try {
    const result = await runLife(plan, { deployment, onRound });
    await deployment.dispose();
    const isBroken = result.problems.length > 0 || result.rounds.some(({ problems }) => problems.length > 0);
    if (!isBroken) await folder.remove();
    else await fail(plan, { dirs, deployment, problems: result.problems });
    return result;
  } catch (error) {
    await deployment.dispose();
    await fail(plan, { dirs, deployment, problems: [] });
    throw error;
  }
}

async function fail(
  { life, version }: LifePlan,
  left: { readonly dirs: Dirs; readonly deployment: Deployment; readonly problems: readonly string[] },
): Promise<void> {
  const { root } = left.dirs;
  process.exitCode = 1;
  for (const problem of left.problems) console.log(`  BROKEN at the end of life ${life}: ${problem}`);
  const only = `${ONLY === '' ? '' : ` ONLY=${ONLY}`}${COMPRESSION === 'none' ? '' : ` COMPRESSION=${COMPRESSION}`}`;
  for (const [index, service] of left.deployment.started.entries()) {
    await writeFile(join(root, `process-${index + 1}.log`), service.logs());
  }
  console.log(`life ${life} failed; its data and its logs are left in ${root}`);
  console.log(`to run it again: make reliability SEED=${SEED} LIFE=${life} VERSION=${version}${only}`);
}

async function runVersion(version: Version): Promise<LifeResult[]> {
  const results: LifeResult[] = [];
  const faults = chooseFaults(ONLY);
  let left = LIFE === undefined ? ROUNDS : Number.POSITIVE_INFINITY;
  for (let life = LIFE ?? Number(env.FROM || 1); left > 0 && process.exitCode !== 1; life++) {
    const plan = planLife({ seed: SEED, version, faults }, life);
    const result = await runOne({ ...plan, rounds: plan.rounds.slice(0, left) });
    results.push(result);
    left = LIFE === undefined ? left - result.rounds.length : 0;
  }
  return results;
}

console.log(`reliability: seed ${SEED}, version ${VERSION}${ONLY === '' ? '' : `, only ${ONLY}`}`);

const versions: readonly Version[] = VERSION === 'both' ? [1, 2] : [VERSION === '2' ? 2 : 1];
try {
  for (const version of versions) {
    const begun = performance.now();
    const summary = { version, seed: SEED, ...summarise(await runVersion(version)) };
    const seconds = Math.round((performance.now() - begun) / 1_000);
    console.log(renderTable({ ...summary, seconds }));
    if (env.REPORT) {
      await mkdir(dirname(env.REPORT), { recursive: true });
      const path = versions.length === 1 ? env.REPORT : env.REPORT.replace(/(\.json)?$/, `-v${version}.json`);
      await writeFile(path, `${JSON.stringify({ ...summary, seconds }, null, 2)}\n`);
    }
  }
} finally {
  await broker?.dispose();
}
