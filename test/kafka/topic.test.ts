import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { COMPRESSIONS } from '../../src/queue/kafka/driver.ts';
import { registerCodecs } from '../../src/queue/kafka/kafkajs/codecs.ts';
import { CompressionCodecs, CompressionTypes, Kafka, logLevel } from '../../src/queue/kafka/kafkajs/library.ts';
import { ensureJars } from '../support/broker-cache.ts';
import { findFaults, namedBatch, openPipeline, startSenders, type TestPipeline } from '../support/pipeline.ts';
import { kafkaOptions, kafkaQueue } from '../support/queues.ts';
import { sharedBrokers } from '../support/shared-broker.ts';
import { eventually } from '../support/storage.ts';
import { awaitStored, createStream, type Stream, withAdmin } from '../support/version2.ts';

/* What others do to the topic: messages that are not ours, in every compression, and the topic taken away. */

let brokers: readonly string[];
const dirs: string[] = [];
const opened: TestPipeline[] = [];

beforeAll(async () => {
  registerCodecs();
  brokers = await sharedBrokers();
});
afterEach(async () => {
  for (const pipeline of opened.splice(0)) await pipeline.stop(5_000);
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true, force: true });
});

async function open(stream: Stream, env: Record<string, string> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'logforge-topic-'));
  dirs.push(dir);
  const pipeline = await openPipeline({ dir, env: { ...stream.env, ...env } });
  opened.push(pipeline);
  return { dir, pipeline };
}

const record = (path: string) => JSON.stringify({ timestamp: '2015-05-17T10:00:00Z', path, userAgent: 'other team' });

/** Another team's producer. */
async function produce(topic: string, messages: readonly { value: string | Buffer | null }[], compression = 0) {
  const retry = { retries: 0 };
  const producer = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING, retry }).producer();
  await producer.connect();
  const sent = messages.map(({ value }) => ({ value, partition: 0 }));
  try {
    await producer.send({ topic, messages: sent, compression });
  } finally {
    await producer.disconnect();
  }
}

/** The attributes of a record batch have room for it; Kafka has no such codec. */
const UNKNOWN_CODEC = 5;

/** Sends a record batch that says that it is compressed, and is not. */
async function produceRubbish(topic: string, compression: number): Promise<void> {
  const table: Record<number, unknown> = CompressionCodecs;
  const { [compression]: original } = table;
  table[compression] = () => ({ compress: async () => Buffer.from('this is not compressed') });
  try {
    await produce(topic, [{ value: 'x' }], compression);
  } finally {
    table[compression] = original;
  }
}

async function deadLetters(dir: string): Promise<{ reason: string; source: string; raw?: string; record?: unknown }[]> {
  const day = new Date().toISOString().slice(0, 10);
  const text = await readFile(join(dir, 'dlq', `${day}.ndjson`), 'utf8').catch(() => '');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

describe.each(['kafkajs', 'platformatic'] as const)('a topic that others use too, by %s', {
  timeout: 120_000,
}, (client) => {
  it('stores records of others, and keeps what is none in the dead letters with where it stood', async () => {
    const stream = createStream(brokers, { LOGFORGE_KAFKA_CLIENT: client, LOGFORGE_KAFKA_PARTITIONS: '1' });
    const { dir, pipeline } = await open(stream);
    await pipeline.deliver(namedBatch('ours'));
    const large = 'x'.repeat(5_000_000);
    await produce(stream.topic, [
      { value: record('/one') },
      { value: `[${record('/two')},${record('/three')}]` },
      { value: 'rubbish' },
      { value: null },
      { value: '' },
      { value: Buffer.from([0xff, 0x00, 0xfe]) },
      { value: large },
      { value: '{"timestamp":"2015-05-17T10:00:00Z","path":"/"}' },
    ]);
    await pipeline.deliver(namedBatch('ours-too'));
    await awaitStored(stream);
    const text = await readFile(join(dir, 'logs', '2015-05-17', '10.log.json'), 'utf8');
    expect(text).toBe(['/one', '/two', '/three'].map((path) => `${record(path)}\n`).join(''));
    const letters = await deadLetters(dir);
    const first = Number(letters[0]?.source.split('@')[1]);
    expect(letters.map(({ source }) => source)).toEqual(
      [0, 1, 2, 3, 4, 5].map((index) => `kafka:${stream.topic}/0@${first + index}`),
    );
    expect(letters.map(({ raw }) => raw?.length ?? 'record')).toEqual([
      7,
      0,
      0,
      'base64:/wD+'.length,
      large.length,
      'record',
    ]);
    const ours = await findFaults([dir], []);
    expect(ours.filter((fault) => fault.startsWith('ours'))).toEqual([]);
  });

  it('reads every compression, whoever made it', async () => {
    const stream = createStream(brokers, { LOGFORGE_KAFKA_CLIENT: client, LOGFORGE_KAFKA_PARTITIONS: '1' });
    const { dir, pipeline } = await open(stream);
    await pipeline.deliver(namedBatch('first'));
    for (const compression of ['GZIP', 'Snappy', 'LZ4', 'ZSTD'] as const) {
      await produce(stream.topic, [{ value: record(`/${compression}`) }], CompressionTypes[compression]);
    }
    for (const writer of ['kafkajs', 'platformatic'] as const) {
      for (const compression of COMPRESSIONS) {
        const { topic, groupId } = stream;
        const queue = kafkaQueue(kafkaOptions(writer, brokers, { topic, groupId, compression }));
        await queue.enqueue(namedBatch(`${writer}-${compression}`));
        await queue.close();
      }
    }
    await awaitStored(stream);
    const text = await readFile(join(dir, 'logs', '2015-05-17', '10.log.json'), 'utf8');
    expect(text).toBe(['/GZIP', '/Snappy', '/LZ4', '/ZSTD'].map((path) => `${record(path)}\n`).join(''));
    const names = ['kafkajs', 'platformatic'].flatMap((writer) => COMPRESSIONS.map((codec) => `${writer}-${codec}`));
    const faults = await findFaults([dir], names);
    expect(faults).toEqual([]);
    expect(await deadLetters(dir)).toEqual([]);
  });

  it('is kept from record batches that nobody can unpack by the broker, and goes on', async () => {
    const stream = createStream(brokers, { LOGFORGE_KAFKA_CLIENT: client, LOGFORGE_KAFKA_PARTITIONS: '1' });
    const { dir, pipeline } = await open(stream);
    await pipeline.deliver(namedBatch('before'));
    for (const codec of [UNKNOWN_CODEC, CompressionTypes.ZSTD]) {
      await expect(produceRubbish(stream.topic, codec)).rejects.toThrow();
    }
    await pipeline.deliver(namedBatch('after'));
    await awaitStored(stream);
    expect(await findFaults([dir], ['before', 'after'])).toEqual([]);
    expect(await deadLetters(dir)).toEqual([]);
  });

  it('goes on when the topic is deleted under it: what comes from then on is stored', async () => {
    const stream = createStream(brokers, { LOGFORGE_KAFKA_CLIENT: client, LOGFORGE_KAFKA_PARTITIONS: '2' });
    const { dir, pipeline } = await open(stream);
    const senders = startSenders(pipeline.deliver, { senders: 3 });
    await eventually(() => expect(senders.acknowledged.length).toBeGreaterThan(60));
    await senders.stop();
    await awaitStored(stream);
    expect(await findFaults([dir], senders.acknowledged)).toEqual([]);

    await withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [stream.topic] }));
    const later: string[] = [];
    // More than there were before: an offset of the old topic must not be taken for one of the new.
    for (let index = 0; index < 150; index++) {
      const name = `later.${index}`;
      await eventually(() => pipeline.deliver(namedBatch(name), { batchIds: [`later:${index}`] }), 60_000);
      later.push(name);
    }
    await eventually(async () => {
      const faults = await findFaults([dir], [...senders.acknowledged, ...later]);
      expect(faults).toEqual([]);
    }, 60_000);
    expect(pipeline.fatal).toEqual([]);
  });
});

describe('what the Java client wrote in blocks of Snappy', { timeout: 120_000 }, () => {
  it('is read by both clients', async () => {
    const first = createStream(brokers, { LOGFORGE_KAFKA_PARTITIONS: '1' });
    const second = { ...createStream(brokers), topic: first.topic };
    const { dir: byKafkaJs, pipeline } = await open(first);
    const env = { LOGFORGE_KAFKA_CLIENT: 'platformatic', LOGFORGE_KAFKA_TOPIC: first.topic };
    const { dir: byPlatformatic } = await open(second, env);
    await pipeline.deliver(namedBatch('first'));
    const lines = Array.from({ length: 500 }, (_, index) => record(`/${index}`));
    await produceByJava(first.topic, lines);
    await awaitStored(first);
    await awaitStored(second);
    for (const dir of [byKafkaJs, byPlatformatic]) {
      const text = await readFile(join(dir, 'logs', '2015-05-17', '10.log.json'), 'utf8');
      expect(text).toBe(lines.map((line) => `${line}\n`).join(''));
    }
  });
});

/** The console producer's way of writing, by the Java client itself. */
async function produceByJava(topic: string, lines: readonly string[]): Promise<void> {
  const libs = await ensureJars();
  const dir = await mkdtemp(join(tmpdir(), 'logforge-java-'));
  dirs.push(dir);
  await writeFile(join(dir, 'lines'), lines.join('\n'));
  await writeFile(join(dir, 'Produce.java'), JAVA_PRODUCER);
  const args = ['-cp', join(libs, '*'), join(dir, 'Produce.java'), brokers.join(','), topic, join(dir, 'lines')];
  await new Promise<void>((resolve, reject) => {
    execFile('java', args, (error, _, stderr) => (error === null ? resolve() : reject(new Error(stderr))));
  });
}

const JAVA_PRODUCER = `
import java.nio.file.*; import java.util.*; import org.apache.kafka.clients.producer.*;
public class Produce {
  public static void main(String[] a) throws Exception {
    Properties p = new Properties();
    p.put("bootstrap.servers", a[0]); p.put("compression.type", "snappy");
    p.put("linger.ms", "200"); p.put("batch.size", "200000");
    p.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    p.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    try (KafkaProducer<String, String> k = new KafkaProducer<>(p)) {
      for (String l : Files.readAllLines(Path.of(a[2]))) k.send(new ProducerRecord<>(a[1], 0, null, l));
    }
  }
}
`;
