import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../support/client.ts';
import { startBroker, type TestBroker } from '../support/kafka-broker.ts';
import { createOutage, type Outage } from '../support/outage.ts';
import { type Dirs, makeDirs, removeDirs, type Service } from '../support/service.ts';
import { readDeadLetters, readHourFiles } from '../support/storage.ts';
import { bodyOf, configureStreams, fileOf, pathOf, recordOf, STREAMS, type TestStream } from '../support/streams.ts';
import {
  awaitDrained,
  awaitStored,
  createStream,
  readMetric,
  type Stream,
  startVersion2,
  topicOf,
} from '../support/version2.ts';

/* The broker is unavailable, and batches of several streams wait in the one spool. */

let broker: TestBroker;
let outage: Outage;
const started: Service[] = [];
const folders: Dirs[] = [];

beforeAll(async () => {
  broker = await startBroker();
  outage = createOutage({ stopBroker: () => broker.kill9(), restartBroker: () => broker.restart(), leastMs: 0 });
}, 60_000);
afterAll(async () => {
  await Promise.all(started.map((service) => service.stop('SIGKILL')));
  for (const dirs of folders) await removeDirs(dirs);
  await broker.dispose();
});

async function start(stream: Stream, dirs: Dirs, args: readonly string[]): Promise<Service> {
  const service = await startVersion2(stream, { dirs, args });
  started.push(service);
  return service;
}

/** Sends batches to the streams in turn until `rounds` rounds are over, and notes the texts in the order of their answers. */
function createSender(texts: Record<TestStream, string[]>) {
  let next = 0;
  return async function post(service: Service, streams: readonly TestStream[], rounds: number): Promise<Set<unknown>> {
    const http = createClient(service.port, { connections: 1 });
    const durabilities = new Set<unknown>();
    for (let round = 0; round < rounds; round++) {
      for (const name of streams) {
        const mine = [`${next}-a`, `${next}-b`];
        const headers = next % 3 === 0 ? { 'Idempotency-Key': `key-${next}` } : {};
        next++;
        const answer = await http.post(bodyOf(name, mine), headers, pathOf(name));
        expect(answer).toMatchObject({ status: 202, body: '{"accepted":2}' });
        durabilities.add(answer.headers['logforge-durability']);
        texts[name].push(...mine);
      }
    }
    http.close();
    return durabilities;
  };
}

async function expectFiles(dirs: Dirs, texts: Readonly<Record<TestStream, readonly string[]>>): Promise<void> {
  for (const name of STREAMS) {
    const files = [...(await readHourFiles(dirs, name)).values()].map(String).join('');
    expect(files, name).toBe(fileOf(name, texts[name]));
  }
}

describe.concurrent('an outage of the broker', { timeout: 180_000 }, () => {
  it.for([
    'kafkajs',
    'platformatic',
  ])('by %s, with several streams in the spool, one of which is then removed: each keeps its order and all are stored once', async (client, {
    onTestFinished,
  }) => {
    const member = outage.join();
    onTestFinished(member.leave);
    const dirs = await makeDirs();
    folders.push(dirs);
    const stream = createStream(broker.brokers, {
      LOGFORGE_KAFKA_CLIENT: client,
      LOGFORGE_KAFKA_PARTITIONS: '1',
      LOGFORGE_QUEUE_CIRCUIT_FAILURES: '2',
      LOGFORGE_QUEUE_CIRCUIT_COOLDOWN: '500ms',
      LOGFORGE_SERVER_REQUEST_TIMEOUT: '4s',
    });
    const withAudit = await configureStreams(dirs);
    const texts: Record<TestStream, string[]> = { access: [], events: [], audit: [] };
    const post = createSender(texts);
    const first = await start(stream, dirs, withAudit);
    await post(first, STREAMS, 2);
    for (const name of STREAMS) await awaitStored(topicOf(stream, name));
    await member.begin();
    await post(first, STREAMS, 3);
    expect(await post(first, STREAMS, 3)).toEqual(new Set(['spool']));
    await postInvalid(first, 'audit');
    texts.audit.push('good');
    await first.stop('SIGKILL');

    // The spool holds batches of a stream that this start does not know.
    const second = await start(stream, dirs, []);
    expect(await post(second, ['access', 'events'], 2)).toEqual(new Set(['spool']));
    await member.end();
    await awaitDrained(second);
    for (const name of ['access', 'events']) await awaitStored(topicOf(stream, name));
    await expectFiles(dirs, texts);
    expect((await readDeadLetters(dirs)).map(({ stream: name, stage }) => [name, stage])).toEqual([
      ['audit', 'ingest'],
    ]);
    expect(second.logs()).toContain('the spool holds batches of a stream that is not configured any more');
    expect(second.logs()).not.toMatch(/"level":"(error|fatal)"/);
    expect((await readMetric(second, 'logforge_records_unaccounted')).get('')).toBe(0);
    expect(await second.stop()).toEqual({ code: 0, signal: null });

    const third = await start(stream, dirs, withAudit);
    await post(third, STREAMS, 1);
    await awaitDrained(third);
    for (const name of STREAMS) await awaitStored(topicOf(stream, name));
    await expectFiles(dirs, texts);
    await third.stop();
  });
});

/** A batch of one valid record, `good`, and one that is not. */
async function postInvalid(service: Service, name: TestStream): Promise<void> {
  const http = createClient(service.port);
  const good = recordOf(name, 'good').sent;
  const body = JSON.stringify([good, { ...good, timestamp: 'yesterday' }]);
  expect((await http.post(body, {}, `${pathOf(name)}?invalid=skip`)).status).toBe(202);
  http.close();
}
