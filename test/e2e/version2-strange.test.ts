import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Message } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { Kafka, logLevel } from '../../src/queue/kafka/kafkajs/library.ts';
import { createClient } from '../support/client.ts';
import type { Service } from '../support/service.ts';
import { eventually, readHourFiles } from '../support/storage.ts';
import { useVersion2 } from '../support/use-version2.ts';
import { awaitStored, createStream, readMetric, type Stream } from '../support/version2.ts';

const version2 = useVersion2();

const LETTERS = 'application/vnd.logforge.dead-letters+ndjson';
const LINES = 'application/x-ndjson';
const letter = { time: Date.UTC(2025, 10, 22), stage: 'ingest', reason: 'r', raw: 'x', source: 's' };
const record = (path: string) => `{"timestamp":"2025-11-22T15:23:00Z","path":"${path}","userAgent":"x"}`;
const id = () => `${randomUUID()}:0`;
const lettersOf = (value: string): Message => ({ value, headers: { 'content-type': LETTERS, 'batch-id': id() } });
const linesOf = (value: string | Buffer, headers: Record<string, string> = {}): Message => {
  const claimed = { 'content-type': LINES, hour: '2025-11-22T15:00:00Z', records: '1', 'batch-id': id() };
  return { value, headers: { ...claimed, ...headers } };
};

/** None of them holds a record that can be stored. */
const STRANGE: readonly Message[] = [
  lettersOf('{}\n'),
  lettersOf('garbage\n'),
  lettersOf('null\n'),
  lettersOf(`${JSON.stringify({ ...letter, stage: 'x","evil":"1\n{"b":2}' })}\n`),
  lettersOf(`${JSON.stringify({ ...letter, time: 9e15 })}\n`),
  linesOf(Buffer.from('garbage\n\x00\xff\n', 'latin1'), { records: '2' }),
  linesOf('no record\n', { records: '999999999' }),
  linesOf('no record\n', { hour: '9999-12-31T23:00:00Z' }),
  { value: null },
  { value: '' },
  { value: '['.repeat(900_000) },
  { value: '{"a":'.repeat(100_000) },
  { value: Buffer.alloc(900_000, 0xff) },
  { value: Buffer.from([0x1f, 0x8b, 8, 0]), headers: { 'content-encoding': 'gzip' } },
];

async function sendStrange({ brokers, topic }: Stream): Promise<void> {
  const producer = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  try {
    // Each in a record batch of its own, as other programs send.
    for (const message of STRANGE) await producer.send({ topic, messages: [{ ...message, partition: 0 }] });
    const lie = linesOf(`${record('/lie')}\n`, { records: '999999999', hour: '2025-11-22T16:00:00Z' });
    for (const message of [lettersOf(`${JSON.stringify(letter)}\n`), lie, { value: record('/good') }]) {
      await producer.send({ topic, messages: [{ ...message, partition: 0 }] });
    }
  } finally {
    await producer.disconnect();
  }
}

async function readLetters({ dirs }: Service) {
  const files = (await readdir(dirs.dlq)).filter((name) => name.endsWith('.ndjson'));
  const texts = await Promise.all(files.map((name) => readFile(join(dirs.dlq, name), 'utf8')));
  return texts.flatMap((text) => text.split('\n').filter((line) => line !== ''));
}

describe.each(['kafkajs', 'platformatic'])('messages that logforge did not write, by %s', (client) => {
  it('become dead letters with their offset, hold no partition, and get no line into a file that is none', async () => {
    const stream = createStream(version2.brokers, { LOGFORGE_KAFKA_CLIENT: client, LOGFORGE_KAFKA_PARTITIONS: '1' });
    const service = await version2.start(stream);
    const http = createClient(service.port);
    expect((await http.post(`[${record('/first')}]`)).status).toBe(202);
    await sendStrange(stream);
    expect((await http.post(`[${record('/last')}]`)).status).toBe(202);
    http.close();
    await awaitStored(stream, 30_000);

    const files = [...(await readHourFiles(service.dirs))].map(([name, bytes]) => [name, bytes.toString()]);
    expect(files).toHaveLength(1);
    expect(files[0]?.[1]).toBe(['/first', '/lie', '/good', '/last'].map((path) => `${record(path)}\n`).join(''));
    const letters = (await readLetters(service)).map((line) => JSON.parse(line) as Record<string, unknown>);
    const sources = letters.map(({ source }) => source);
    const expected = [...STRANGE.map((_, index) => `kafka:${stream.topic}/0@${index + 1}`), 's'];
    expect(new Set(sources)).toEqual(new Set(expected));
    for (const each of letters) {
      expect(Object.keys(each).sort().join()).toMatch(
        /^(raw,reason|reason,record),source,stage,time$|^raw,reason,source,stage,time$|^reason,record,source,stage,time$/,
      );
      expect(['ingest', 'consume']).toContain(each.stage);
    }
    await eventually(async () => {
      expect((await readMetric(service, 'logforge_records_unaccounted')).get('')).toBe(0);
    });
  });
});
