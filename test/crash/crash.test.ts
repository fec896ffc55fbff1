import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { readNumbers } from '../support/batch-maker.ts';
import { createClient } from '../support/client.ts';
import { createRandom, type Random } from '../support/random.ts';
import { createSentBatches } from '../support/sent-batches.ts';
import { type Dirs, launch, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readSummaries } from '../support/storage.ts';
import { createStoreReader } from '../support/store-reader.ts';
import { createWorkload } from '../support/workload.ts';

/*
 * The real process, killed at random moments under load, ROUNDS times. What is drawn follows from SEED, which is told
 * when the test fails; when exactly the kill strikes is up to the machine.
 */
const ROUNDS = Number(process.env.ROUNDS ?? 50);
const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const CLIENTS = 8;
const TIMEOUT_A_ROUND_MS = 10_000;

it(`stores what it acknowledged exactly once, and nothing in part, through ${ROUNDS} kills`, {
  timeout: 60_000 + ROUNDS * TIMEOUT_A_ROUND_MS,
}, async () => {
  const dirs = await makeDirs('logforge-crash-');
  try {
    await crash(dirs);
  } catch (error) {
    throw new Error(`failed with SEED=${SEED}; the data is left in ${dirs.root}`, { cause: error });
  }
  await removeDirs(dirs);
});

async function crash(dirs: Dirs): Promise<void> {
  const random = createRandom(SEED);
  const sent = createSentBatches();
  const workload = createWorkload(random, sent);
  let reader = createStoreReader(dirs.logs);

  async function check(round: number): Promise<void> {
    await reader.readNew((_hour, line) => {
      const { batch, index } = readNumbers(line);
      sent.found(batch, index);
    });
    expect(sent.check(), `round ${round}`).toEqual([]);
  }

  // The one start that ends well, which also leaves the compiled program behind for all the others.
  expect(await (await startService({ dirs })).stop()).toEqual({ code: 0, signal: null });

  for (let round = 1; round <= ROUNDS; round++) {
    const env = chooseEnv(random);
    if (random.chance(0.25)) await killWhileStarting(dirs, env, random.int(0, 700));
    const service = await startService({ dirs, env });
    await check(round);
    await killUnderLoad(service, { afterBatches: random.int(0, 20), afterMs: random.int(0, 15) });
  }

  const service = await startService({ dirs, env: chooseEnv(random) });
  const client = createClient(service.port);
  await check(ROUNDS + 1);
  await workload.settle(client);
  await check(ROUNDS + 1);
  await eventually(async () => expect(await countSummarised(dirs)).toEqual(new Map(reader.lines())));
  client.close();
  expect(await service.stop()).toEqual({ code: 0, signal: null });

  sent.recount();
  reader = createStoreReader(dirs.logs);
  await check(ROUNDS + 2);
  const { batches, acknowledged, unknown, stored } = sent.totals();
  process.stderr.write(
    `crash: ${ROUNDS} kills, ${batches} batches sent, ${acknowledged} acknowledged, ${unknown} unknown, ${stored} records stored, SEED=${SEED}\n`,
  );
  expect(acknowledged).toBeGreaterThan(ROUNDS);

  /** By what was acknowledged, not by the clock: a slow machine is killed in the thick of it too. */
  async function killUnderLoad(service: Service, { afterBatches, afterMs }: { afterBatches: number; afterMs: number }) {
    const client = createClient(service.port);
    let isOver = false;
    const load = workload.run(client, { clients: CLIENTS, isOver: () => isOver });
    const target = workload.acknowledged() + afterBatches;
    const reach = async () => {
      while (!isOver && workload.acknowledged() < target) await sleep(1);
    };
    try {
      await Promise.race([reach(), load]);
      await sleep(afterMs);
    } finally {
      isOver = true;
      await service.stop('SIGKILL');
    }
    await load;
    client.close();
  }
}

/** A folder of data may be owned by a differently configured service at every start. */
function chooseEnv(random: Random): Record<string, string> {
  return {
    LOGFORGE_STORAGE_DURABILITY: random.pick(['disk', 'os']),
    LOGFORGE_SERVER_THREADS: random.pick(['1', '1', '2']),
    LOGFORGE_AGGREGATION_INTERVAL: '100ms',
  };
}

async function killWhileStarting(dirs: Dirs, env: Record<string, string>, afterMs: number): Promise<void> {
  const { child, exited } = launch({ dirs, env });
  await sleep(afterMs);
  child.kill('SIGKILL');
  await exited;
}

async function countSummarised(dirs: Dirs): Promise<Map<string, number>> {
  const summaries = await readSummaries(dirs);
  return new Map([...summaries].map(([hour, { totalRequests }]) => [hour, totalRequests]));
}
