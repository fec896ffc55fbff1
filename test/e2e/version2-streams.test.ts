import { describe, expect, it } from 'vitest';
import { Kafka, logLevel } from '../../src/queue/kafka/kafkajs/library.ts';
import { createClient } from '../support/client.ts';
import type { Service, ServiceOptions } from '../support/service.ts';
import { makeDirs } from '../support/service.ts';
import { eventually, readDeadLetters, readHourFiles } from '../support/storage.ts';
import { bodyOf, configureStreams, fileOf, pathOf, recordOf, STREAMS, type TestStream } from '../support/streams.ts';
import { useVersion2 } from '../support/use-version2.ts';
import {
  awaitStored,
  buryMembers,
  createStream,
  readMetric,
  type Stream,
  topicOf,
  withAdmin,
} from '../support/version2.ts';

/* Version 2 with several streams: each has a topic and a group of its own, one process or two store them beside each other. */

const version2 = useVersion2();
const HOUR = '2015-05-17T10';
/** One partition, so that what is stored has one order. */
const ONE = { LOGFORGE_KAFKA_PARTITIONS: '1' };

async function start(stream: Stream, options: ServiceOptions = {}): Promise<Service> {
  const dirs = options.dirs ?? (await makeDirs());
  return version2.start(stream, { ...options, dirs, args: await configureStreams(dirs) });
}

async function awaitAllStored(stream: Stream): Promise<void> {
  for (const name of STREAMS) await awaitStored(topicOf(stream, name));
}

async function readFiles({ dirs }: Service): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const stream of STREAMS) {
    for (const [hour, bytes] of await readHourFiles(dirs, stream)) files[`${stream} ${hour}`] = bytes.toString();
  }
  return files;
}

/** What the files must hold when these texts were sent to each stream, in this order. */
function expectedFiles(texts: Readonly<Record<TestStream, readonly string[]>>): Record<string, string> {
  const files = STREAMS.map((stream) => [`${stream} ${HOUR}`, fileOf(stream, texts[stream])] as const);
  return Object.fromEntries(files.filter(([, text]) => text !== ''));
}

const noTexts = (): Record<TestStream, string[]> => ({ access: [], events: [], audit: [] });

async function postTo(service: Service, stream: TestStream, texts: readonly string[], key?: string) {
  const http = createClient(service.port);
  const headers = key === undefined ? {} : { 'Idempotency-Key': key };
  const answer = await http.post(bodyOf(stream, texts), headers, pathOf(stream));
  http.close();
  return answer;
}

/** Sends `rounds` batches to each stream in turn, and gives the texts. */
async function postRounds(service: Service, rounds: number, name: string): Promise<Record<TestStream, string[]>> {
  const texts = noTexts();
  for (let round = 0; round < rounds; round++) {
    for (const stream of STREAMS) {
      const mine = [`${name}-${round}-a`, `${name}-${round}-b`];
      expect(await postTo(service, stream, mine)).toMatchObject({ status: 202, body: '{"accepted":2}' });
      texts[stream].push(...mine);
    }
  }
  return texts;
}

function join(...all: readonly Record<TestStream, string[]>[]): Record<TestStream, string[]> {
  const joined = noTexts();
  for (const texts of all) for (const stream of STREAMS) joined[stream].push(...texts[stream]);
  return joined;
}

const labelsOf = (samples: ReadonlyMap<string, number>) =>
  new Set(Array.from(samples.keys(), (labels) => /topic="([^"]*)"/.exec(labels)?.[1]));

describe.each(['kafkajs', 'platformatic'])('streams in version 2, by %s', (client) => {
  it.each(['ndjson', 'record'])('have topics and groups of their own, messages of the format %s', async (format) => {
    const env = { ...ONE, LOGFORGE_KAFKA_CLIENT: client, LOGFORGE_KAFKA_FORMAT: format };
    const stream = createStream(version2.brokers, env);
    const service = await start(stream);
    const texts = await postRounds(service, 4, 'r');
    await awaitAllStored(stream);
    expect(await readFiles(service)).toEqual(expectedFiles(texts));

    const topics = STREAMS.map((name) => topicOf(stream, name).topic);
    expect(topics).toEqual([stream.topic, `${stream.topic}-events`, `${stream.topic}-audit`]);
    const ends = await withAdmin(version2.brokers, (admin) =>
      Promise.all(topics.map(async (topic) => Number((await admin.fetchTopicOffsets(topic))[0]?.high))),
    );
    for (const high of ends) expect(high).toBe(format === 'record' ? 8 : 4);
    expect((await readMetric(service, 'logforge_records_unaccounted')).get('')).toBe(0);
    // The service asks for its lag every few seconds: once is enough.
    if (format !== 'ndjson') return;
    await eventually(async () => {
      for (const name of ['logforge_kafka_consumer_lag', 'logforge_kafka_consumer_lag_seconds']) {
        const lag = await readMetric(service, name);
        expect(labelsOf(lag)).toEqual(new Set(topics));
        expect(Math.max(...lag.values())).toBe(0);
      }
    });
  });

  it('put an invalid record aside with its stream, in the order of the batch', async () => {
    const stream = createStream(version2.brokers, { ...ONE, LOGFORGE_KAFKA_CLIENT: client });
    const service = await start(stream);
    const http = createClient(service.port);
    for (const name of STREAMS) {
      const good = recordOf(name, 'good').sent;
      const body = JSON.stringify([good, { ...good, timestamp: 'yesterday' }]);
      const answer = await http.post(body, {}, `${pathOf(name)}?invalid=skip`);
      expect([answer.status, JSON.parse(answer.body)]).toMatchObject([202, { accepted: 1, rejected: 1 }]);
    }
    http.close();
    await awaitAllStored(stream);
    expect(await readFiles(service)).toEqual(expectedFiles({ access: ['good'], events: ['good'], audit: ['good'] }));
    const letters = await readDeadLetters(service.dirs);
    const told = letters.map(({ stage, stream: name, reason }) => [stage, name, reason]);
    expect(told.toSorted((a, b) => String(a[1]).localeCompare(String(b[1])))).toEqual([
      ['ingest', 'audit', 'record 1 invalid timestamp "yesterday"'],
      ['ingest', 'events', 'record 1 invalid timestamp format: "yesterday"'],
      ['ingest', undefined, 'record 1 invalid timestamp "yesterday"'],
    ]);
  });

  it('take what other producers put into their topic, and put aside what is no record of theirs', async () => {
    const stream = createStream(version2.brokers, { ...ONE, LOGFORGE_KAFKA_CLIENT: client });
    const service = await start(stream);
    // The topics are made when they are first used.
    for (const name of STREAMS) expect((await postTo(service, name, ['first'])).status).toBe(202);
    for (const name of STREAMS) await sendForeign(stream, name);
    for (const name of STREAMS) expect((await postTo(service, name, ['last'])).status).toBe(202);
    await awaitAllStored(stream);

    const own = ['first', 'one', 'two', 'three', 'four', 'last'];
    expect(await readFiles(service)).toEqual(expectedFiles({ access: own, events: own, audit: own }));
    const letters = await readDeadLetters(service.dirs);
    for (const name of STREAMS) {
      const { topic } = topicOf(stream, name);
      const mine = letters.filter(({ source }) => String(source).startsWith(`kafka:${topic}/`));
      expect(mine.map(({ stage, stream: of, source }) => [stage, of, source])).toEqual(
        [4, 5].map((offset) => ['consume', name === 'access' ? undefined : name, `kafka:${topic}/0@${offset}`]),
      );
      expect(mine[0]).toMatchObject({ raw: 'junk' });
      expect(mine[1]?.reason).toMatch(/^record 0 missing /);
    }
    expect(letters).toHaveLength(2 * STREAMS.length);
    expect((await readMetric(service, 'logforge_records_unaccounted')).get('')).toBe(0);
  });

  it('know a key in all streams: the same body again is a repeat, another stream is a misuse', async () => {
    const stream = createStream(version2.brokers, { ...ONE, LOGFORGE_KAFKA_CLIENT: client });
    let service = await start(stream);
    // A record of every stream.
    const body = JSON.stringify({
      ...recordOf('audit', 'k').sent,
      ...recordOf('access', 'k').sent,
      ...recordOf('events', 'k').sent,
    });
    const post = async (name: TestStream) => {
      const http = createClient(service.port);
      const { status, headers } = await http.post(body, { 'Idempotency-Key': 'k' }, pathOf(name));
      http.close();
      return [status, headers['idempotency-replayed']];
    };
    expect(await post('events')).toEqual([202, undefined]);
    expect(await post('events')).toEqual([202, 'true']);
    expect((await post('access'))[0]).toBe(422);
    expect((await post('audit'))[0]).toBe(422);
    await awaitAllStored(stream);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    service = await start(stream, { dirs: service.dirs });
    expect(await post('events')).toEqual([202, 'true']);
    expect((await post('access'))[0]).toBe(422);
    await awaitAllStored(stream);
    const files = await readFiles(service);
    expect(Object.keys(files)).toEqual([`events ${HOUR}`]);
    expect(files[`events ${HOUR}`]?.match(/\n/g)).toHaveLength(1);
  });

  it('are received by one process and stored by another, and a kill -9 of each loses and doubles nothing', async () => {
    const stream = createStream(version2.brokers, { ...ONE, LOGFORGE_KAFKA_CLIENT: client });
    const receive = { env: { LOGFORGE_KAFKA_CONSUMERS: '0' } };
    let front = await start(stream, receive);
    let store = await start(stream);
    const before = await postRounds(front, 3, 'before');
    await eventually(async () => expect(Object.keys(await readFiles(store))).toHaveLength(STREAMS.length));
    // Killed with what it has acknowledged in the topics, and not waited for.
    const late = await postRounds(front, 2, 'late');
    await Promise.all([front.stop('SIGKILL'), store.stop('SIGKILL')]);
    for (const name of STREAMS) await buryMembers(topicOf(stream, name));
    front = await start(stream, { ...receive, dirs: front.dirs });
    const after = await postRounds(front, 2, 'after');
    store = await start(stream, { dirs: store.dirs });
    await awaitAllStored(stream);
    expect(await readFiles(store)).toEqual(expectedFiles(join(before, late, after)));
    expect(await readFiles(front)).toEqual({});
    expect((await readMetric(store, 'logforge_records_unaccounted')).get('')).toBe(0);
  });
});

describe('a stream that is removed from the configuration', () => {
  it('leaves what is in its topic there, which the start says, and goes on when it is back', async () => {
    const stream = createStream(version2.brokers, ONE);
    let service = await start(stream);
    const { dirs } = service;
    expect((await postTo(service, 'audit', ['stored'])).status).toBe(202);
    await awaitAllStored(stream);
    await service.stop();
    service = await start(stream, { dirs, env: { LOGFORGE_KAFKA_CONSUMERS: '0' } });
    expect((await postTo(service, 'audit', ['left'])).headers['logforge-durability']).toBe('broker');
    await service.stop();

    service = await version2.start(stream, { dirs });
    expect((await postTo(service, 'audit', ['refused'])).status).toBe(404);
    expect((await postTo(service, 'access', ['meanwhile'])).status).toBe(202);
    await awaitStored(stream);
    expect(service.logs()).toContain('belongs to no stream of the configuration');
    expect(service.logs()).toContain(`"topic":"${topicOf(stream, 'audit').topic}"`);
    expect(await readFiles(service)).toEqual(expectedFiles({ ...noTexts(), access: ['meanwhile'], audit: ['stored'] }));
    expect((await fetch(`${service.url}/ready`)).status).toBe(200);
    await service.stop();

    service = await start(stream, { dirs });
    await awaitAllStored(stream);
    expect(await readFiles(service)).toEqual(
      expectedFiles({ ...noTexts(), access: ['meanwhile'], audit: ['stored', 'left'] }),
    );
    expect(service.logs()).not.toContain('belongs to no stream');
  });
});

/** Two messages of one record each, one of two lines, two that hold no record of the stream. Offsets 1 to 5. */
async function sendForeign(stream: Stream, name: TestStream): Promise<void> {
  const record = (text: string) => JSON.stringify(recordOf(name, text).sent);
  const another = JSON.stringify(recordOf(name === 'access' ? 'events' : 'access', 'other').sent);
  const producer = new Kafka({ brokers: [...stream.brokers], logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  try {
    for (const value of [
      record('one'),
      `[${record('two')}]`,
      `${record('three')}\n${record('four')}\n`,
      'junk',
      another,
    ]) {
      await producer.send({ topic: topicOf(stream, name).topic, messages: [{ value, partition: 0 }] });
    }
  } finally {
    await producer.disconnect();
  }
}
