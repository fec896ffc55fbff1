import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Batch } from '../../src/model/chunk.ts';
import { BatchTooLargeError, IdempotencyConflict } from '../../src/model/deliver.ts';
import { Kafka, logLevel } from '../../src/queue/kafka/kafkajs/library.ts';
import { OLD_STATE } from '../support/old-state.ts';
import { openPipeline, type TestPipeline } from '../support/pipeline.ts';
import { sharedBrokers } from '../support/shared-broker.ts';
import { AUDIT, fileOf, STREAMS, type TestStream } from '../support/streams.ts';
import { awaitStored, createStream, type Stream, topicOf, withAdmin } from '../support/version2.ts';

/* Version 2 with batches over several streams, and with a topic that version 1.0.0 wrote. */

let brokers: readonly string[];
const dirs: string[] = [];
const opened: TestPipeline[] = [];

beforeAll(async () => {
  brokers = await sharedBrokers();
});
afterEach(async () => {
  for (const pipeline of opened.splice(0)) await pipeline.stop(5_000);
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true, force: true });
});

async function open(stream: Stream, old?: string) {
  const dir = old ?? (await mkdtemp(join(tmpdir(), 'logforge-streams-')));
  if (old === undefined) dirs.push(dir);
  const pipeline = await openPipeline({ dir, env: stream.env, yaml: AUDIT });
  opened.push(pipeline);
  return { dir, pipeline };
}

/** Of each of these streams a chunk of the hour 2015-05-17T10 with two records. */
function mixed(name: string, streams: readonly TestStream[] = STREAMS): Batch {
  const texts = [`${name}-a`, `${name}-b`];
  return streams.map((stream) => ({
    ...{ stream, hour: Date.parse('2015-05-17T10:00:00Z') / 3_600_000, count: 2 },
    lines: Buffer.from(fileOf(stream, texts)),
  }));
}

async function readFileOf(dir: string, stream: TestStream): Promise<string> {
  const folder = stream === 'access' ? join(dir, 'logs') : join(dir, 'logs', stream);
  return readFile(join(folder, '2015-05-17/10.log.json'), 'utf8').catch(() => '');
}

async function awaitAll(stream: Stream): Promise<void> {
  for (const name of STREAMS) await awaitStored(topicOf(stream, name));
}

const keyed = (key: string, bodyHash = 'h') => ({
  idempotency: { key, bodyHash, answer: '{"accepted":6}', time: Date.now() },
});

describe.each(['kafkajs', 'platformatic'])('a batch over several streams, by %s', (client) => {
  const streamOf = () => createStream(brokers, { LOGFORGE_KAFKA_CLIENT: client, LOGFORGE_KAFKA_PARTITIONS: '1' });

  it('goes to the topic of each, is stored once, and is known by its key also after a restart', async () => {
    const stream = streamOf();
    const { dir, pipeline } = await open(stream);
    expect(await pipeline.deliver(mixed('one'), keyed('k'))).toEqual({ durability: 'broker' });
    expect(await pipeline.deliver(mixed('one'), keyed('k'))).toMatchObject({ replay: '{"accepted":6}' });
    await expect(pipeline.deliver(mixed('other', ['access']), keyed('k', 'other'))).rejects.toThrow(
      IdempotencyConflict,
    );
    const deadLetters = [undefined, 'audit'].map((of) => ({
      ...{ time: Date.now(), stage: 'ingest' as const, reason: 'r', raw: `of ${of}`, source: 's' },
      ...(of !== undefined && { stream: of }),
    }));
    expect(await pipeline.deliver(mixed('two', ['events']), { deadLetters })).toEqual({ durability: 'broker' });
    await awaitAll(stream);
    await pipeline.stop();

    const { pipeline: next } = await open(stream, dir);
    expect(await next.deliver(mixed('one'), keyed('k'))).toMatchObject({ replay: '{"accepted":6}' });
    await expect(next.deliver(mixed('one'), keyed('k', 'other'))).rejects.toThrow(IdempotencyConflict);
    await awaitAll(stream);
    for (const name of STREAMS) {
      const texts = ['one-a', 'one-b', ...(name === 'events' ? ['two-a', 'two-b'] : [])];
      expect(await readFileOf(dir, name)).toBe(fileOf(name, texts));
    }
    const [file] = (await readdir(join(dir, 'dlq'))).filter((name) => name.endsWith('.ndjson'));
    const letters = (await readFile(join(dir, 'dlq', file ?? ''), 'utf8')).trim().split('\n');
    expect(letters.map((line) => JSON.parse(line).stream).toSorted()).toEqual(['audit', undefined]);
  });

  it('is refused where one topic does not take its part, and a repeat with its key stores the rest once', async () => {
    const stream = streamOf();
    await withAdmin(brokers, (admin) =>
      admin.createTopics({
        topics: [
          {
            topic: topicOf(stream, 'audit').topic,
            numPartitions: 1,
            configEntries: [{ name: 'max.message.bytes', value: '300' }],
          },
        ],
      }),
    );
    const { dir, pipeline } = await open(stream);
    const batch = mixed('large');
    await expect(pipeline.deliver(batch, keyed('k'))).rejects.toThrow(BatchTooLargeError);
    await expect(pipeline.deliver(batch, keyed('k'))).rejects.toThrow(BatchTooLargeError);
    await awaitStored(topicOf(stream, 'events'));
    // The first stream goes last.
    expect(await readFileOf(dir, 'access')).toBe('');
    expect(await readFileOf(dir, 'events')).toBe(fileOf('events', ['large-a', 'large-b']));
    await withAdmin(brokers, (admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            // A topic: https://kafka.apache.org/protocol.html#The_Messages_AlterConfigs
            ...{ type: 2, name: topicOf(stream, 'audit').topic },
            configEntries: [{ name: 'max.message.bytes', value: '1000000' }],
          },
        ],
      }),
    );
    await pipeline.stop();
    const { pipeline: next } = await open(stream, dir);
    expect(await next.deliver(batch, keyed('k'))).toEqual({ durability: 'broker' });
    await awaitAll(stream);
    for (const name of STREAMS) expect(await readFileOf(dir, name)).toBe(fileOf(name, ['large-a', 'large-b']));
  });
});

/** The records of each send that version 1.0.0 made: testdata/state-1.0.0/README.md. */
interface OldRecord {
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

it.each([
  'kafkajs',
  'platformatic',
])('a topic that version 1.0.0 wrote is stored, each batch once, by %s', async (client) => {
  const stream = createStream(brokers, { LOGFORGE_KAFKA_CLIENT: client, LOGFORGE_KAFKA_PARTITIONS: '1' });
  const sends = JSON.parse(await readFile(join(OLD_STATE, 'topic/sends.json'), 'utf8')) as readonly OldRecord[][];
  await withAdmin(brokers, (admin) => admin.createTopics({ topics: [{ topic: stream.topic, numPartitions: 1 }] }));
  const producer = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  // The second time as resends.
  for (const records of [...sends, ...sends]) {
    await producer.send({ topic: stream.topic, messages: records.map((record) => ({ ...record, partition: 0 })) });
  }
  await producer.disconnect();

  const { dir, pipeline } = await open(stream);
  await awaitStored(stream);
  const line = (hour: string, path: string) =>
    `{"timestamp":"2015-04-24T${hour}:05:00Z","path":"/${path}","userAgent":"old"}\n`;
  const read = (hour: string) => readFile(join(dir, `logs/2015-04-24/${hour}.log.json`), 'utf8');
  const first = ['one', 'two', 'four', 'five', 'six', 'seven', 'eight'];
  expect(await read('10')).toBe(first.map((path) => line('10', path)).join(''));
  expect(await read('11')).toBe(['three', 'nine'].map((path) => line('11', path)).join(''));
  const letters = await readFile(join(dir, 'dlq/2100-01-01.ndjson'), 'utf8');
  expect(
    letters
      .split('\n')
      .slice(0, -1)
      .map((text) => JSON.parse(text)),
  ).toMatchObject([{ stage: 'ingest', reason: 'record 1 invalid timestamp "yesterday"', source: 'old-1' }]);
  const used = { bodyHash: '0123456789abcdef0123456789abcdef' };
  for (const [key, accepted] of [
    ['topic-hours', 3],
    ['topic-joined', 1],
    ['topic-records', 3],
  ] as const) {
    expect(pipeline.repo.idempotency.find({ ...used, key })).toEqual({
      sameBody: true,
      answer: `{"accepted":${accepted}}`,
    });
  }
});
