import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { readNumbers } from '../support/batch-maker.ts';
import { createClient } from '../support/client.ts';
import { createFleet, type Fleet, KILLS } from '../support/fleet.ts';
import { startBroker } from '../support/kafka-broker.ts';
import { createRandom, type Random } from '../support/random.ts';
import { createSentBatches, type SentBatches } from '../support/sent-batches.ts';
import { type Dirs, makeDirs, removeDirs } from '../support/service.ts';
import { eventually, folderOf, readSummaries } from '../support/storage.ts';
import { createStoreReader } from '../support/store-reader.ts';
import { LOAD_STREAMS, STREAMS, type TestStream } from '../support/streams.ts';
import { createWorkload, type Workload } from '../support/workload.ts';

/*
 * Real processes on real brokers, killed at random moments under load, ROUNDS times: the one that takes batches, the one
 * that stores them (often the same), the broker, or several. What is drawn follows from SEED, which is told when the test
 * fails; when exactly a kill strikes is up to the machine. Two fleets, which know nothing of each other, share the
 * rounds: much of one is waiting.
 */
const ROUNDS = Number(process.env.ROUNDS ?? 20);
const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const FLEETS = 2;
const CLIENTS = 8;
const CHECK_EVERY = 10;
const ACCEPTED_WITHIN_MS = 30_000;
const TIMEOUT_A_ROUND_MS = 40_000;

const fleets: Fleet[] = [];

// Also what a test that ran out of time left running.
afterAll(async () => {
  await Promise.all(fleets.map((fleet) => fleet.dispose()));
});

describe.concurrent(`killed ${ROUNDS} times, service, consumer and broker`, {
  timeout: 180_000 + ROUNDS * TIMEOUT_A_ROUND_MS,
}, () => {
  const shares = Array.from({ length: FLEETS }, (_, fleet) => [fleet + 1, Math.floor((ROUNDS + fleet) / FLEETS)]);
  it.for(shares)('fleet %i of %i rounds stores what it acknowledged exactly once', async ([number = 0, rounds = 0]) => {
    const seed = SEED + number;
    const [receiverDirs, storeDirs] = [
      await makeDirs('logforge-crash-receiver-'),
      await makeDirs('logforge-crash-store-'),
    ];
    const fleet = createFleet({ broker: await startBroker(), receiverDirs, storeDirs, random: createRandom(seed) });
    fleets.push(fleet);
    try {
      await crash({ fleet, storeDirs, rounds, random: createRandom(seed + FLEETS) });
    } catch (error) {
      const said = fleet.lastWords();
      const where = `${receiverDirs.root} and ${storeDirs.root}`;
      throw new Error(`failed with SEED=${SEED}; the data is left in ${where}\n${said}`, { cause: error });
    }
    await fleet.dispose();
    await Promise.all([removeDirs(receiverDirs), removeDirs(storeDirs)]);
  });
});

async function crash(parts: {
  readonly fleet: Fleet;
  readonly storeDirs: Dirs;
  readonly rounds: number;
  readonly random: Random;
}): Promise<void> {
  const { fleet, storeDirs, rounds, random } = parts;
  const sent = createSentBatches();
  const workload = createWorkload(random, sent, { refusal: 'open', streams: LOAD_STREAMS });
  const readers = openReaders(storeDirs);
  const check = async (round: number) => {
    await fleet.rest(workload);
    for (const { stream, reader } of readers) await reader.readNew((_hour, line) => note(sent, workload, stream, line));
    expect(sent.check(), `round ${round}`).toEqual([]);
  };

  for (let round = 1; round <= rounds; round++) {
    await fleet.start(random.pick(['apart', 'together']));
    await killUnderLoad(fleet, workload, random);
    if (round % CHECK_EVERY === 0 || round === rounds) await check(round);
  }
  await eventually(
    async () => expect(await countSummarised(storeDirs)).toEqual(new Map(readers[0]?.reader.lines())),
    30_000,
  );
  await fleet.stop();

  sent.recount();
  for (const { stream, reader } of openReaders(storeDirs)) {
    await reader.readNew((_hour, line) => note(sent, workload, stream, line));
  }
  expect(sent.check(), 'after all').toEqual([]);
  const { batches, acknowledged, unknown, stored } = sent.totals();
  process.stderr.write(
    `crash-v2: ${rounds} kills, ${batches} batches sent, ${acknowledged} acknowledged, ${unknown} unknown, ${stored} records stored, SEED=${SEED}\n`,
  );
  expect(acknowledged).toBeGreaterThan(rounds);
}

/** One for each stream, access first. */
function openReaders({ logs }: Dirs) {
  return STREAMS.map((stream) => ({ stream, reader: createStoreReader(folderOf(logs, stream)) }));
}

function note(sent: SentBatches, workload: Workload, stream: TestStream, line: string): void {
  const { batch, index } = readNumbers(line);
  expect(workload.streamOf(batch), line).toBe(stream);
  expect(workload.compare(line, batch, index)).toBe(true);
  sent.found(batch, index);
}

/** By what was acknowledged, not by the clock: a slow machine is killed in the thick of it too. */
async function killUnderLoad(fleet: Fleet, workload: Workload, random: Random): Promise<void> {
  const victims = random.pick(KILLS);
  const afterBatches = random.int(0, 60);
  const client = createClient(fleet.receiver().port);
  let isOver = false;
  const load = workload.run(client, { clients: CLIENTS, isOver: () => isOver });
  const accept = async (more: number) => {
    const target = workload.acknowledged() + more;
    const deadline = Date.now() + ACCEPTED_WITHIN_MS;
    while (!isOver && workload.acknowledged() < target) {
      if (Date.now() > deadline) throw new Error('nothing is accepted any more');
      await sleep(1);
    }
  };
  try {
    await Promise.race([accept(afterBatches), load]);
    if (random.chance(0.3)) await Promise.race([fleet.firstStored(), load]);
    await sleep(random.int(0, 15));
    const goesOn = fleet.receiverSurvives(victims) && random.chance(0.7);
    if (!goesOn) isOver = true;
    await fleet.kill(...victims);
    // What is accepted now waits in the topic, or in the spool.
    if (goesOn) await Promise.race([accept(random.int(1, 30)), load]);
  } finally {
    isOver = true;
  }
  await load;
  client.close();
}

async function countSummarised(dirs: Dirs): Promise<Map<string, number>> {
  const summaries = await readSummaries(dirs);
  return new Map([...summaries].map(([hour, { totalRequests }]) => [hour, totalRequests]));
}
