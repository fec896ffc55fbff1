import { afterEach, describe, expect, it } from 'vitest';
import { readBalancedAccounting } from '../support/accounting.ts';
import { createClient } from '../support/client.ts';
import {
  copyOldState,
  DIRECT_BATCHES,
  linesByHour,
  type OldBatch,
  requestOf,
  SPOOLED_BATCHES,
} from '../support/old-state.ts';
import { runLogforge } from '../support/run.ts';
import { type Dirs, removeDirs, type Service, serviceEnv, startService } from '../support/service.ts';
import {
  eventually,
  listVisible,
  readDeadLetters,
  readHourFiles,
  readSummaries,
  splitLines,
} from '../support/storage.ts';
import { useVersion2 } from '../support/use-version2.ts';
import { awaitDrained, awaitStored, createStream, readMetric } from '../support/version2.ts';

/*
 * The present service on data folders that version 1.0.0 wrote (testdata/state-1.0.0): it finds all that was
 * acknowledged, and nothing else, and goes on from there.
 */

/** A record for each hour that the old folders have, so that each old file and summary is continued. */
const NEW_LINES = ['2015-05-17T10', '2015-05-17T11', '2015-05-17T23', '2015-05-18T00'].map(
  (hour) => `{"timestamp":"${hour}:30:00Z","path":"/new","userAgent":"a"}`,
);
const NEW_BATCH: OldBatch = { key: 'new', lines: NEW_LINES };

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(dirs: Dirs): Promise<Service> {
  cleanups.push(() => removeDirs(dirs));
  const service = await startService({ dirs, env: { LOGFORGE_AGGREGATION_INTERVAL: '100ms' } });
  cleanups.push(() => service.stop('SIGKILL'));
  return service;
}

async function readLines(dirs: Dirs): Promise<Record<string, string[]>> {
  const files = await readHourFiles(dirs);
  return Object.fromEntries([...files].map(([hour, bytes]) => [hour, splitLines(hour, bytes)]));
}

const expectedLines = (batches: readonly OldBatch[]) => Object.fromEntries(linesByHour(batches));

async function post(service: Service, batch: OldBatch) {
  const client = createClient(service.port);
  const { body, path, headers } = requestOf(batch);
  const answer = await client.post(body, headers, path);
  client.close();
  return {
    status: answer.status,
    replayed: answer.headers['idempotency-replayed'] === 'true',
    accepted: (JSON.parse(answer.body) as { accepted?: number }).accepted,
  };
}

/** Every key of the batches is known, with its body: the same body is answered again, another is refused. */
async function expectKeys(service: Service, batches: readonly OldBatch[]): Promise<void> {
  const keyed = batches.filter(({ key }) => key !== undefined);
  expect(keyed.length).toBeGreaterThan(2);
  for (const batch of keyed) {
    expect(await post(service, batch)).toEqual({ status: 202, replayed: true, accepted: batch.lines.length });
    expect((await post(service, { ...batch, lines: NEW_LINES })).status).toBe(422);
  }
}

async function expectSummaries(dirs: Dirs): Promise<void> {
  const lines = await readLines(dirs);
  await eventually(async () => {
    const summaries = await readSummaries(dirs);
    const totals = [...summaries].map(([hour, { totalRequests }]) => [hour.slice(0, 13), totalRequests]);
    expect(Object.fromEntries(totals)).toEqual(
      Object.fromEntries(Object.entries(lines).map(([hour, { length }]) => [hour, length])),
    );
  });
}

async function expectDeadLetter(dirs: Dirs): Promise<void> {
  const { code, stdout } = await runLogforge(['dlq', 'list', '--json'], { env: serviceEnv(dirs) });
  expect(code).toBe(0);
  const letters = stdout.split('\n').filter((line) => line !== '');
  expect(letters.map((line) => JSON.parse(line) as unknown)).toMatchObject([{ stage: 'ingest', count: 1 }]);
  expect(await readDeadLetters(dirs)).toEqual([
    {
      time: expect.stringMatching(/^2100-01-01T00:00:0\d\.\d{3}Z$/),
      stage: 'ingest',
      reason: 'record 1 invalid timestamp "yesterday"',
      record: { timestamp: 'yesterday', path: '/invalid', userAgent: 'a' },
      source: expect.stringMatching(/^[0-9a-f]{8}-\d+$/),
    },
  ]);
}

function expectNoErrors(service: Service): void {
  expect(service.logs()).not.toMatch(/"level":"(error|fatal)"/);
}

describe('folders that version 1.0.0 left', () => {
  it('when it was killed hold what the journal says', async () => {
    const dirs = await copyOldState('killed');
    const service = await start(dirs);
    expect(await readLines(dirs)).toEqual(expectedLines(DIRECT_BATCHES));
    await expectDeadLetter(dirs);
    await expectKeys(service, DIRECT_BATCHES);
    await expectSummaries(dirs);

    expect(await post(service, NEW_BATCH)).toEqual({ status: 202, replayed: false, accepted: NEW_LINES.length });
    expect(await readLines(dirs)).toEqual(expectedLines([...DIRECT_BATCHES, NEW_BATCH]));
    await expectSummaries(dirs);
    const client = createClient(service.port);
    await readBalancedAccounting(client);
    client.close();
    expectNoErrors(service);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
  });

  it('when it was stopped are continued', async () => {
    const dirs = await copyOldState('stopped');
    const service = await start(dirs);
    expect(await readLines(dirs)).toEqual(expectedLines(DIRECT_BATCHES));
    expect((await listVisible(dirs.state)).filter((name) => name.startsWith('journal-'))).toEqual([
      'journal-00000005.log',
    ]);
    await expectDeadLetter(dirs);
    await expectKeys(service, DIRECT_BATCHES);
    await expectSummaries(dirs);

    expect(await post(service, NEW_BATCH)).toEqual({ status: 202, replayed: false, accepted: NEW_LINES.length });
    expect(await readLines(dirs)).toEqual(expectedLines([...DIRECT_BATCHES, NEW_BATCH]));
    await expectSummaries(dirs);
    // The old summaries were read: only the new lines were counted.
    const counted = await readMetric(service, 'logforge_aggregation_bytes_total');
    expect(counted.get('')).toBe(`${NEW_LINES.join('\n')}\n`.length);
    expectNoErrors(service);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('a spool that version 1.0.0 left', () => {
  const version2 = useVersion2();

  it.each(['kafkajs', 'platformatic'])('is sent by %s and stored, each record once', async (client) => {
    const dirs = await copyOldState('spool');
    const stream = createStream(version2.brokers, { LOGFORGE_KAFKA_CLIENT: client });
    const service = await version2.start(stream, { dirs });
    await awaitDrained(service);
    await awaitStored(stream);
    const sorted = (lines: Record<string, string[]>) =>
      Object.fromEntries(Object.entries(lines).map(([hour, ofHour]) => [hour, ofHour.toSorted()]));
    // Two batches may go to two partitions, so the order within an hour is open.
    expect(sorted(await readLines(dirs))).toEqual(sorted(expectedLines(SPOOLED_BATCHES)));
    await eventually(() => expectDeadLetter(dirs));
    await expectKeys(service, SPOOLED_BATCHES);

    expect(await post(service, NEW_BATCH)).toEqual({ status: 202, replayed: false, accepted: NEW_LINES.length });
    await awaitDrained(service);
    await awaitStored(stream);
    expect(sorted(await readLines(dirs))).toEqual(sorted(expectedLines([...SPOOLED_BATCHES, NEW_BATCH])));
    await expectSummaries(dirs);
    expectNoErrors(service);
  });
});
