import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { createOneSubject, type OneSubject } from '../../test/support/one-subject.ts';
import { createTestLog } from '../../test/support/queues.ts';
import { createDecoders } from '../decode/decoders.ts';
import { createMetrics } from '../metrics/metrics.ts';
import type { Batch } from '../model/chunk.ts';
import { UnavailableError } from '../model/deliver.ts';
import { MS_PER_HOUR } from '../model/hour.ts';
import { EVENTS_STREAM } from '../model/stream.ts';
import { openRepo } from '../repo/file-repo.ts';
import { createAccounting } from './accounting.ts';
import { createConsumer } from './consume.ts';
import { createIngest } from './ingest.ts';
import { createKindTally } from './kind-tally.ts';
import type { IngestRequest } from './service.ts';

// A stream with a schema, from the body or the message to the files.

const LONGEST = 10;
const limit = (maxLength: number) => ({ properties: { message: { maxLength } } });
const event = (message: string) =>
  JSON.stringify({ timestamp: '2015-04-24T10:00:00Z', level: 'INFO', message, service: 'api' });
const GOOD = event('ready');
const LONG = event('x'.repeat(LONGEST + 1));
const problemOf = (noun: string) => `${noun} /message: message too long: ${LONGEST + 1} characters, at most ${LONGEST}`;

const folders: string[] = [];
afterEach(async () => {
  for (const dir of folders.splice(0)) await rm(dir, { recursive: true });
});

async function setUp({ schemas }: OneSubject) {
  const dir = await mkdtemp(join(tmpdir(), 'logforge-checked-'));
  folders.push(dir);
  const metrics = createMetrics({ defaultMetrics: false });
  const log = createTestLog();
  const repo = await openRepo({
    logsDir: join(dir, 'logs'),
    stateDir: join(dir, 'state'),
    dlqDir: join(dir, 'dlq'),
    durability: 'disk',
    idempotency: { windowMs: 3_600_000, maxKeys: 100 },
    maxWaitMs: 5_000,
    metrics,
    log,
  });
  const decoders = createDecoders(EVENTS_STREAM, schemas);
  const accounting = createAccounting(metrics);
  const clock = () => Date.UTC(2015, 3, 24, 11);
  const ingest = createIngest({
    decodersOf: () => decoders,
    decode: DECODE_OPTIONS,
    deliver: repo.append,
    delivered: 'stored',
    accounting,
    tally: createKindTally({ metrics, clock }),
    metrics,
    clock,
  });
  const post = (text: string, request: Partial<IngestRequest> = {}) =>
    ingest({ stream: 'events', format: 'ndjson', body: Buffer.from(text), source: 'r-1', ...request });
  const consumer = createConsumer({
    stream: 'events',
    repo,
    firstHour: repo.retention.firstHour,
    decoders,
    decode: DECODE_OPTIONS,
    backoff: { firstMs: 1, maxMs: 8 },
    accounting,
    metrics,
    log,
    clock,
    onFatal: () => undefined,
  });
  const stored = () => readFile(join(dir, 'logs/events/2015-04-24/10.log.json'), 'utf8').catch(() => '');
  const deadLetters = async () => {
    const files = await readdir(join(dir, 'dlq')).catch(() => []);
    const texts = await Promise.all(
      files.filter((name) => name.endsWith('.ndjson')).map((name) => readFile(join(dir, 'dlq', name), 'utf8')),
    );
    return texts.flatMap((text) => text.split('\n').slice(0, -1)).map((line): unknown => JSON.parse(line));
  };
  return { repo, post, consumer, accounting, stored, deadLetters };
}

describe('a stream with a schema', () => {
  it('keeps what is stored when a new version refuses it', async () => {
    const registry = createOneSubject('events');
    const { repo, post, stored, accounting } = await setUp(registry);
    expect(await post(`${GOOD}\n${LONG}\n`)).toMatchObject({ kind: 'accepted', answer: '{"accepted":2}' });
    registry.register(limit(LONGEST));
    expect(await post(`${GOOD}\n${LONG}\n`)).toMatchObject({
      kind: 'invalid',
      rejected: 1,
      rejections: [{ index: 1, field: 'message', reason: problemOf('record 1') }],
    });
    expect(await stored()).toBe(`${GOOD}\n${LONG}\n`);
    expect(await post(GOOD)).toMatchObject({ kind: 'accepted' });
    await repo.close();
    expect(await stored()).toBe(`${GOOD}\n${LONG}\n${GOOD}\n`);
    expect(accounting.unaccounted()).toBe(0);
  });

  it('with skip puts refused records among the dead letters', async () => {
    const { repo, post, stored, deadLetters } = await setUp(createOneSubject('events', limit(LONGEST)));
    const result = await post(`${LONG}\n${GOOD}\n`, { invalid: 'skip' });
    expect(result).toMatchObject({ kind: 'accepted', refused: { rejected: 1 } });
    await repo.close();
    expect(await stored()).toBe(`${GOOD}\n`);
    expect(await deadLetters()).toMatchObject([
      { stage: 'ingest', stream: 'events', reason: problemOf('record 0'), record: JSON.parse(LONG), source: 'r-1' },
    ]);
  });

  it('stores nothing while its schema cannot be used, and asks for a retry', async () => {
    const registry = createOneSubject('events', { properties: { message: { pattern: '(' } } });
    const { repo, post, stored } = await setUp(registry);
    await expect(post(GOOD)).rejects.toThrow(UnavailableError);
    await expect(post(GOOD)).rejects.toThrow('version 1 of subject events cannot be used: pattern "("');
    expect(await stored()).toBe('');
    registry.register({});
    expect(await post(GOOD)).toMatchObject({ kind: 'accepted' });
    await repo.close();
  });

  it('checks the messages of other producers, and not again those of the service', async () => {
    const { repo, consumer, stored, deadLetters } = await setUp(createOneSubject('events', limit(LONGEST)));
    const state = { topic: 'logs-events', partition: 0, committed: undefined, low: 0n, high: 100n };
    const assignment = await consumer.assign(state);
    const lines = Buffer.from(`${LONG}\n`);
    const hour = Date.UTC(2015, 3, 24, 10) / MS_PER_HOUR;
    const batch: Batch = [{ stream: 'events', hour, count: 1, lines }];
    const place = (offset: number) => ({ offset: BigInt(offset), next: BigInt(offset + 1), timestamp: 4_000 });
    const items = [
      { kind: 'batches', ...place(0), batches: [{ id: 'p:0', batch }] },
      { kind: 'foreign', ...place(1), contentType: 'application/x-ndjson', value: Buffer.from(`${GOOD}\n${LONG}\n`) },
    ] as const;
    await assignment.receive({ topic: 'logs-events', partition: 0, items, next: 2n }, new AbortController().signal);
    await repo.close();
    expect(await stored()).toBe(`${LONG}\n${GOOD}\n`);
    expect(await deadLetters()).toMatchObject([
      {
        stage: 'consume',
        stream: 'events',
        reason: problemOf('record 1'),
        record: JSON.parse(LONG),
        source: 'kafka:logs-events/0@1',
      },
    ]);
  });
});
