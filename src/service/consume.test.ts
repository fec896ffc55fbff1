import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { createTestLog } from '../../test/support/queues.ts';
import type { Decoder } from '../decode/decode.ts';
import { createDecoders } from '../decode/decoders.ts';
import { createMetrics } from '../metrics/metrics.ts';
import type { Batch } from '../model/chunk.ts';
import { type CommitNote, type Deliver, type IdempotencyNote, UnavailableError } from '../model/deliver.ts';
import { hourToIso, MIN_HOUR } from '../model/hour.ts';
import { ACCESS_STREAM } from '../model/stream.ts';
import type { Assignment, PartitionState, QueuedBatch, QueueItem } from '../queue/queue.ts';
import { batchOf, textOf } from '../queue/queue-contract.case.ts';
import { openRepo } from '../repo/file-repo.ts';
import { createAccounting } from './accounting.ts';
import { createConsumer } from './consume.ts';

const decoders = createDecoders(ACCESS_STREAM);

const HOUR = 397_186;
const LINE = '{"timestamp":"2015-04-24T10:00:00Z","path":"/","userAgent":"curl/8"}';
const STATE: PartitionState = { topic: 'logs', partition: 0, committed: undefined, low: 0n, high: 100n };

interface Options {
  readonly offsets?: Readonly<Record<number, string>>;
  readonly known?: readonly string[];
  readonly keys?: readonly IdempotencyNote[];
  readonly append?: Deliver;
  readonly firstHour?: () => number;
  /** In place of the real ones. */
  readonly decoder?: Decoder;
}

function setUp(options: Options = {}) {
  const metrics = createMetrics({ defaultMetrics: false });
  const log = createTestLog();
  const accounting = createAccounting(metrics);
  const stored: { batch: Batch; note: CommitNote }[] = [];
  const store: Deliver = async (batch, note = {}) => {
    await options.append?.(batch, note);
    stored.push({ batch, note });
    return { durability: 'disk' };
  };
  const ids = new Set(options.known);
  const keys = new Map(options.keys?.map((note) => [note.key, note]));
  const pauses: number[] = [];
  const consumer = createConsumer({
    stream: 'access',
    firstHour: options.firstHour ?? (() => MIN_HOUR),
    repo: {
      append: store,
      offsets: () =>
        Object.entries(options.offsets ?? {}).map(([partition, next]) => {
          return { topic: 'logs', partition: Number(partition), next };
        }),
      hasBatchId: (id) => ids.has(id),
      idempotency: {
        find: (used) => {
          const known = keys.get(used.key);
          return known && { sameBody: known.bodyHash === used.bodyHash, answer: known.answer };
        },
        now: () => 5_000,
        size: () => keys.size,
        oldest: () => undefined,
        bytes: () => 0,
      },
    },
    decoders: options.decoder === undefined ? decoders : { json: options.decoder, ndjson: options.decoder },
    decode: { ...DECODE_OPTIONS, maxRecordBytes: 1_000 },
    backoff: { firstMs: 1, maxMs: 8, random: () => 0, sleep: async (ms) => void pauses.push(ms) },
    accounting,
    metrics,
    log,
    clock: () => 5_000,
    onFatal: () => undefined,
  });
  const outcomes = async () => {
    const { values } = await metrics.records.get();
    const counts: Record<string, number> = { unaccounted: accounting.unaccounted() };
    for (const { labels, value } of values) if (value > 0) counts[String(labels.outcome)] = value;
    return counts;
  };
  const texts = () => stored.map(({ batch }) => textOf(batch));
  return { consumer, stored, texts, outcomes, log, metrics, pauses };
}

const never = new AbortController().signal;

function receive(
  assignment: Assignment,
  items: readonly QueueItem[],
  options: { signal?: AbortSignal; next?: bigint } = {},
) {
  const next = options.next ?? items.at(-1)?.next ?? 0n;
  return assignment.receive({ topic: 'logs', partition: 0, items, next }, options.signal ?? never);
}

const ours = (offset: number, ...batches: readonly QueuedBatch[]): QueueItem => {
  return { kind: 'batches', offset: BigInt(offset), next: BigInt(offset + 1), timestamp: 4_000, batches };
};
const theirs = (offset: number, value: string | Buffer | null, contentType = ''): QueueItem => {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return {
    kind: 'foreign',
    offset: BigInt(offset),
    next: BigInt(offset + 1),
    timestamp: 4_000,
    contentType,
    value: bytes,
  };
};
/** A stored line of an hour. */
const line = (n: number, hour = HOUR) => `{"timestamp":"${hourToIso(hour)}","path":"/${n}","userAgent":"x"}`;
const one = (sequence: number, extra: Partial<QueuedBatch> = {}): QueuedBatch => {
  return { id: `p:${sequence}`, batch: batchOf([HOUR, line(sequence)]), ...extra };
};
const key = (name: string, bodyHash = 'h'): IdempotencyNote => ({
  key: name,
  bodyHash,
  answer: '{"accepted":1}',
  time: 1,
});

describe('a consumer', () => {
  it('stores what one fetch brought in one commit, with its end, its ids and its keys', async () => {
    const { consumer, stored, texts, outcomes } = setUp();
    const assignment = await consumer.assign(STATE);
    const letter = { time: 1, stage: 'ingest', reason: 'r', raw: '{', source: 's' } as const;
    await receive(assignment, [
      ours(0, one(0), one(1, { idempotency: key('a'), deadLetters: [letter] })),
      ours(1, { id: 'p:2', batch: batchOf([HOUR + 1, line(2, HOUR + 1)], [HOUR, line(3)]) }),
    ]);
    expect(texts()).toEqual([
      [
        [HOUR, 3, `${line(0)}\n${line(1)}\n${line(3)}\n`],
        [HOUR + 1, 1, `${line(2, HOUR + 1)}\n`],
      ],
    ]);
    expect(stored[0]?.note).toEqual({
      offsets: [{ topic: 'logs', partition: 0, next: '2' }],
      batchIds: ['p:0', 'p:1', 'p:2'],
      keys: [key('a')],
      deadLetters: [letter],
    });
    expect(await outcomes()).toEqual({ stored: 4, unaccounted: 0 });
  });

  it('puts records aside whose hours retention removed, with the place of their message', async () => {
    const { consumer, stored, texts, outcomes } = setUp({ firstHour: () => HOUR + 1 });
    const assignment = await consumer.assign(STATE);
    const mixed = batchOf([HOUR, line(2)], [HOUR + 1, line(3, HOUR + 1)]);
    await receive(assignment, [ours(0, one(0)), ours(1, { id: 'p:2', batch: mixed }), theirs(2, `[${LINE}]`)]);
    expect(texts()).toEqual([[[HOUR + 1, 1, `${line(3, HOUR + 1)}\n`]]]);
    const about = { time: 5_000, stage: 'consume', reason: 'older than retention' };
    expect(stored[0]?.note).toMatchObject({
      batchIds: ['p:0', 'p:2'],
      deadLetters: [
        { ...about, raw: line(0), source: 'kafka:logs/0@0' },
        { ...about, raw: line(2), source: 'kafka:logs/0@1' },
        { ...about, raw: LINE, source: 'kafka:logs/0@2' },
      ],
    });
    expect(await outcomes()).toEqual({ stored: 1, dead_lettered: 3, unaccounted: 0 });
  });

  it('puts records aside whose hours are removed while it stores them', async () => {
    let firstHour = HOUR;
    const { consumer, stored, texts, outcomes } = setUp({
      firstHour: () => firstHour,
      append: async (batch) => {
        if (batch.every(({ hour }) => hour >= HOUR + 1)) return { durability: 'disk' };
        firstHour = HOUR + 1;
        throw new UnavailableError('the hour was removed by retention meanwhile', 1);
      },
    });
    const assignment = await consumer.assign(STATE);
    const mixed = batchOf([HOUR, line(2)], [HOUR + 1, line(3, HOUR + 1)]);
    await receive(assignment, [ours(0, { id: 'p:2', batch: mixed })]);
    expect(texts()).toEqual([[[HOUR + 1, 1, `${line(3, HOUR + 1)}\n`]]]);
    expect(stored[0]?.note.deadLetters).toMatchObject([{ reason: 'older than retention', source: 'kafka:logs/0@0' }]);
    expect(await outcomes()).toEqual({ stored: 1, dead_lettered: 1, unaccounted: 0 });
  });

  it.each<[string, Partial<PartitionState>, string | undefined, bigint]>([
    ['the first offset there is when nothing is known', { low: 7n }, undefined, 7n],
    ['the group’s offset when another process was here before', { committed: 20n }, undefined, 20n],
    ['the journal’s when the group was not told in time', { committed: 20n }, '25', 25n],
    ['the group’s when the partition was elsewhere meanwhile', { committed: 30n }, '25', 30n],
    ['the first there is when the topic was created again', { high: 5n }, '25', 0n],
    ['the first there is when the topic was created again and has grown beyond', { high: 50n }, '25', 0n],
    ['the first there is when the log ends before what the group says', { high: 10n, committed: 30n }, '25', 0n],
    ['the first there is when retention has passed', { low: 40n, committed: 30n }, '25', 40n],
  ])('begins at %s', async (_, state, journal, begin) => {
    const { consumer } = setUp(journal === undefined ? {} : { offsets: { 0: journal } });
    expect((await consumer.assign({ ...STATE, ...state })).offset).toBe(begin);
  });

  it('reports offsets that are missing, at the start and between', async () => {
    const { consumer, metrics, log } = setUp({ offsets: { 0: '25' } });
    const assignment = await consumer.assign({ ...STATE, low: 40n, committed: 30n });
    await receive(assignment, [ours(40, one(0))]);
    await receive(assignment, [ours(44, one(1))]);
    const { values } = await metrics.consumerGaps.get();
    expect(values[0]?.value).toBe(10 + 3);
    expect(log.entries.filter((entry) => entry === 'warn offsets are missing')).toHaveLength(2);
  });

  it('stores a batch once, however often it comes', async () => {
    const { consumer, texts, outcomes, metrics } = setUp({ known: ['p:0'] });
    const assignment = await consumer.assign(STATE);
    await receive(assignment, [ours(0, one(0), one(1)), ours(1, one(1)), ours(2, one(2))]);
    expect(texts()).toEqual([[[HOUR, 2, `${line(1)}\n${line(2)}\n`]]]);
    expect(await outcomes()).toEqual({ stored: 2, duplicate: 2, unaccounted: 0 });
    expect((await metrics.consumedDuplicates.get()).values[0]?.value).toBe(2);
  });

  it('stores a key once, however often the client repeats its batch', async () => {
    const { consumer, stored, texts, outcomes } = setUp({ keys: [key('known')] });
    const assignment = await consumer.assign(STATE);
    await receive(assignment, [
      ours(0, one(0, { idempotency: key('known') }), one(1, { idempotency: key('new') })),
      ours(1, one(2, { idempotency: key('new') })),
    ]);
    expect(texts()).toEqual([[[HOUR, 1, `${line(1)}\n`]]]);
    expect(stored[0]?.note).toMatchObject({ keys: [key('new')], batchIds: ['p:0', 'p:1', 'p:2'] });
    expect(await outcomes()).toEqual({ stored: 1, duplicate: 2, unaccounted: 0 });
  });

  it('stores the same key of two owners, and none of them twice', async () => {
    const { consumer, stored, texts, outcomes } = setUp();
    const assignment = await consumer.assign(STATE);
    const of = (owner: string) => ({ idempotency: { ...key('k', `h-${owner}`), owner } });
    await receive(assignment, [
      ours(0, one(0, of('a')), one(1, of('b'))),
      ours(1, one(2, of('a')), one(3, of('b')), one(4, { idempotency: key('k', 'h-a') })),
    ]);
    expect(texts()).toEqual([[[HOUR, 2, `${line(0)}\n${line(1)}\n`]]]);
    expect(stored[0]?.note.keys?.map(({ owner }) => owner)).toEqual(['a', 'b']);
    expect(await outcomes()).toEqual({ stored: 2, duplicate: 3, unaccounted: 0 });
  });

  it.each([
    ['a time to come', { time: 1e15 }, { time: 5_000, answer: '{"accepted":1}' }],
    ['an answer that is no JSON', { answer: 'HTTP/1.1 200 OK\r\n\r\n' }, { answer: '{"accepted":1}' }],
    [
      'errors that are no JSON',
      { answer: '{"accepted":2,"rejected":1,"errors":[}]}' },
      { answer: '{"accepted":2,"rejected":1}' },
    ],
    [
      'an answer of a megabyte',
      { answer: `{"accepted":2,"rejected":1,"errors":["${'x'.repeat(1e6)}"]}` },
      { answer: '{"accepted":2,"rejected":1}' },
    ],
  ])('remembers a key with %s in a form that may be repeated to a client', async (_, hostile, remembered) => {
    const { consumer, stored } = setUp();
    const assignment = await consumer.assign(STATE);
    await receive(assignment, [ours(0, one(0, { idempotency: { ...key('k'), ...hostile } }))]);
    expect(stored[0]?.note.keys).toEqual([{ ...key('k'), ...remembered }]);
  });

  it('keeps in the dead letters what was accepted under a key that had another body', async () => {
    const { consumer, stored, outcomes } = setUp({ keys: [key('k', 'first')] });
    const assignment = await consumer.assign(STATE);
    const batch = batchOf([HOUR, line(1), line(2)]);
    await receive(assignment, [ours(3, { id: 'p:0', batch, idempotency: key('k', 'second') })]);
    expect(stored[0]?.batch).toEqual([]);
    expect(stored[0]?.note.deadLetters?.map(({ raw, source, stage }) => [raw, source, stage])).toEqual([
      [line(1), 'kafka:logs/0@3', 'consume'],
      [line(2), 'kafka:logs/0@3', 'consume'],
    ]);
    expect(await outcomes()).toEqual({ dead_lettered: 2, unaccounted: 0 });
  });

  it('commits the offset even where there is nothing to store', async () => {
    const { consumer, stored } = setUp({ known: ['p:0'] });
    const assignment = await consumer.assign(STATE);
    await receive(assignment, [ours(0, one(0))], { next: 9n });
    expect(stored).toMatchObject([{ batch: [], note: { offsets: [{ next: '9' }], batchIds: [] } }]);
  });

  it('reads what others put there: a record, an array, lines, with or without a content type', async () => {
    const { consumer, texts, outcomes } = setUp();
    const assignment = await consumer.assign(STATE);
    const pretty = JSON.stringify(JSON.parse(LINE), null, 2);
    await receive(assignment, [
      theirs(0, LINE),
      theirs(1, `[${LINE},${LINE}]`, 'application/json'),
      theirs(2, `${LINE}\n${LINE}\n`, 'application/x-ndjson'),
      theirs(3, ` \n${pretty}\n`),
      theirs(4, `${LINE}\n${LINE}`),
    ]);
    expect(texts()).toEqual([[[HOUR, 8, `${LINE}\n`.repeat(8)]]]);
    expect(await outcomes()).toEqual({ stored: 8, unaccounted: 0 });
  });

  it('keeps what cannot be read in the dead letters, with where it stood, and goes on', async () => {
    const { consumer, stored, outcomes } = setUp();
    const assignment = await consumer.assign(STATE);
    const large = 'x'.repeat(5_000_000);
    const broken: QueueItem = { ...theirs(5, null), problem: 'unsupported compression' } as QueueItem;
    await receive(assignment, [
      theirs(0, 'rubbish'),
      theirs(1, null),
      theirs(2, ''),
      theirs(3, Buffer.from([0xff, 0xfe, 0x00])),
      theirs(4, '{"timestamp":"2015-04-24T10:00:00Z","path":"/"}'),
      broken,
      theirs(6, large),
      theirs(7, LINE),
    ]);
    expect(stored).toHaveLength(1);
    const letters = stored[0]?.note.deadLetters ?? [];
    expect(letters.map(({ source }) => source)).toEqual(
      [0, 1, 2, 3, 4, 5, 6].map((offset) => `kafka:logs/0@${offset}`),
    );
    expect(letters.map(({ raw }) => raw)).toEqual([
      'rubbish',
      '',
      '',
      'base64://4A',
      '{"timestamp":"2015-04-24T10:00:00Z","path":"/"}',
      '',
      large,
    ]);
    expect(letters[4]?.reason).toMatch(/missing userAgent/);
    expect(letters[5]?.reason).toBe('unsupported compression');
    expect(stored[0]?.batch[0]?.count).toBe(1);
    expect(await outcomes()).toEqual({ stored: 1, dead_lettered: 7, unaccounted: 0 });
  });

  it('keeps a message of another producer whole, as a dead letter, when it is beyond the limits of a batch', async () => {
    const { consumer, stored, texts, outcomes } = setUp();
    const record = (day: number) =>
      JSON.stringify({ timestamp: new Date(day * 86_400_000).toISOString(), path: '/', userAgent: 'a' });
    const days = Array.from({ length: 1_001 }, (_, day) => record(day)).join('\n');
    const deep = `${record(0).slice(0, -1)},"x":${'['.repeat(64)}${']'.repeat(64)}}`;
    const assignment = await consumer.assign(STATE);
    await receive(assignment, [theirs(0, days, 'application/x-ndjson'), theirs(1, deep), theirs(2, record(1))]);
    expect(stored[0]?.note.deadLetters?.map(({ reason, raw }) => [reason, raw])).toEqual([
      [expect.stringContaining('more than 1000 hours (ingestion.maxHoursPerBatch)'), days],
      ['record 0 is nested deeper than 64 (ingestion.maxDepth)', deep],
    ]);
    expect(texts()).toHaveLength(1);
    expect(await outcomes()).toEqual({ stored: 1, dead_lettered: 2, unaccounted: 0 });
  });

  it('stores no line that is not a stored line of its hour, whatever a message claims, and keeps its id', async () => {
    const { consumer, stored, texts, outcomes, log } = setUp({ known: ['p:9'] });
    const assignment = await consumer.assign(STATE);
    const claimed = (count: number, text: string | Buffer, hour = HOUR) => [
      { stream: 'access', hour, count, lines: Buffer.from(text) },
    ];
    await receive(assignment, [
      ours(0, { id: 'p:0', batch: claimed(999_999_999, `${line(0)}\n`) }),
      ours(1, { id: 'p:1', batch: claimed(1, `${line(1, HOUR + 5)}\n`) }),
      ours(2, { id: 'p:2', batch: claimed(2, Buffer.from('garbage\n\x00\xff\n', 'latin1')) }),
      ours(3, { id: 'p:3', batch: claimed(2, `${line(3)}\nno record\n`) }),
      ours(4, { id: 'p:9', batch: claimed(999_999_999, `${line(9)}\n`) }),
      ours(5, one(5)),
    ]);
    expect(texts()).toEqual([
      [
        [HOUR, 3, `${line(0)}\n${line(3)}\n${line(5)}\n`],
        [HOUR + 5, 1, `${line(1, HOUR + 5)}\n`],
      ],
    ]);
    const letters = stored[0]?.note.deadLetters?.map(({ source, stage, raw }) => [source, stage, raw]);
    expect(letters).toEqual([
      ['kafka:logs/0@2', 'consume', 'base64:Z2FyYmFnZQoA/wo='],
      ['kafka:logs/0@3', 'consume', 'no record'],
    ]);
    expect(stored[0]?.note.batchIds).toEqual(['p:0', 'p:1', 'p:2', 'p:3', 'p:5']);
    expect(await outcomes()).toEqual({ stored: 4, dead_lettered: 2, duplicate: 1, unaccounted: 0 });
    expect(log.entries.filter((entry) => entry.includes('does not hold the stored lines'))).toHaveLength(5);
  });

  it('keeps a message of which a decoder throws in the dead letters', async () => {
    const broken: Decoder = () => {
      throw new RangeError('Maximum call stack size exceeded');
    };
    const { consumer, stored, outcomes, log } = setUp({ decoder: broken });
    const assignment = await consumer.assign(STATE);
    await receive(assignment, [theirs(0, '[[[['), ours(1, one(1))]);
    expect(stored[0]?.note.deadLetters?.map(({ reason, raw, source }) => [reason, raw, source])).toEqual([
      ['cannot decode the message: Maximum call stack size exceeded', '[[[[', 'kafka:logs/0@0'],
    ]);
    expect(log.entries.filter((entry) => entry.startsWith('error'))).toHaveLength(1);
    expect(await outcomes()).toEqual({ stored: 1, dead_lettered: 1, unaccounted: 0 });
  });

  it('takes a value that holds several records without an array for no record', async () => {
    const { consumer, stored, outcomes } = setUp();
    const assignment = await consumer.assign(STATE);
    await receive(assignment, [theirs(0, `${LINE},${LINE}`)]);
    expect(stored[0]?.note.deadLetters?.[0]?.reason).toContain('several JSON values');
    expect(await outcomes()).toEqual({ dead_lettered: 1, unaccounted: 0 });
  });

  it('remembers a key that comes from the future as used now', async () => {
    const { consumer, stored } = setUp();
    const assignment = await consumer.assign(STATE);
    await receive(assignment, [ours(0, one(0, { idempotency: { ...key('k'), time: 9_000_000 } }))]);
    expect(stored[0]?.note.keys).toEqual([{ ...key('k'), time: 5_000 }]);
  });

  it('keeps more dead letters than a call takes arguments', async () => {
    const { consumer, stored, outcomes } = setUp();
    const assignment = await consumer.assign(STATE);
    const letter = { time: 1, stage: 'ingest', reason: 'r', raw: '{', source: 's' } as const;
    await receive(assignment, [ours(0, one(0, { deadLetters: Array(300_000).fill(letter) }))]);
    expect(stored[0]?.note.deadLetters).toHaveLength(300_000);
    expect(await outcomes()).toEqual({ stored: 1, unaccounted: 0 });
  });

  it('blocks the partition while storage fails, and tries again after longer and longer pauses, and loses and skips nothing', async () => {
    let failures = 5;
    const append: Deliver = async () => {
      if (failures-- > 0) throw new UnavailableError('disk full', 1);
      return { durability: 'disk' };
    };
    const { consumer, texts, pauses, metrics, outcomes } = setUp({ append });
    const assignment = await consumer.assign(STATE);
    await receive(assignment, [ours(0, one(0)), theirs(1, 'rubbish')]);
    expect(pauses).toEqual([1, 2, 4, 8, 8]);
    expect(texts()).toEqual([[[HOUR, 1, `${line(0)}\n`]]]);
    expect((await metrics.consumerBlocked.get()).values[0]?.value).toBe(0);
    expect((await metrics.kafkaConsumerErrors.get()).values[0]?.value).toBe(5);
    expect(await outcomes()).toEqual({ stored: 1, dead_lettered: 1, unaccounted: 0 });
  });

  it('gives up waiting when the partition is lost, and has stored nothing of it', async () => {
    const lost = new AbortController();
    const append: Deliver = async () => {
      lost.abort(new Error('the partition is lost'));
      throw new UnavailableError('disk full', 1);
    };
    const { consumer, stored, outcomes } = setUp({ append });
    const assignment = await consumer.assign(STATE);
    await expect(receive(assignment, [ours(0, one(0))], { signal: lost.signal })).rejects.toThrow('partition is lost');
    expect(stored).toEqual([]);
    expect(await outcomes()).toEqual({ unaccounted: 0 });
  });

  it('lets an older assignment of the partition come to its end before the next begins', async () => {
    const steps: string[] = [];
    const hold = Promise.withResolvers<void>();
    const append: Deliver = async () => {
      steps.push('append begins');
      await hold.promise;
      steps.push('append ends');
      return { durability: 'disk' };
    };
    const { consumer } = setUp({ append });
    const older = await consumer.assign(STATE);
    const work = receive(older, [ours(0, one(0))]);
    await new Promise(setImmediate);
    const next = consumer.assign(STATE).then(() => steps.push('assigned'));
    await new Promise(setImmediate);
    expect(steps).toEqual(['append begins']);
    hold.resolve();
    await Promise.all([work, next]);
    expect(steps).toEqual(['append begins', 'append ends', 'assigned']);
    await expect(receive(older, [ours(1, one(1))])).rejects.toThrow('was assigned again');
  });
});

describe('a consumer over the file repo', () => {
  const dirs: string[] = [];
  afterEach(async () => {
    for (const dir of dirs.splice(0)) await rm(dir, { recursive: true, force: true });
  });

  async function open(dir: string) {
    const metrics = createMetrics({ defaultMetrics: false });
    const log = createTestLog();
    const repo = await openRepo({
      logsDir: join(dir, 'logs'),
      dlqDir: join(dir, 'dlq'),
      stateDir: join(dir, 'state'),
      durability: 'disk',
      idempotency: { windowMs: 1e9, maxKeys: 100 },
      maxWaitMs: 5_000,
      metrics,
      log,
    });
    const consumer = createConsumer({
      stream: 'access',
      repo,
      firstHour: repo.retention.firstHour,
      decoders,
      decode: { ...DECODE_OPTIONS, maxRecordBytes: 1_000 },
      backoff: { firstMs: 1, maxMs: 8 },
      accounting: createAccounting(metrics),
      metrics,
      log,
      clock: Date.now,
      onFatal: () => undefined,
    });
    return { repo, consumer };
  }

  it('knows after a restart where it was, and what it has', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'logforge-consume-'));
    dirs.push(dir);
    const now = Date.now();
    const first = await open(dir);
    const idempotency = { ...key('k'), time: now };
    await receive(await first.consumer.assign(STATE), [ours(0, one(0), one(1, { idempotency })), theirs(1, 'rubbish')]);
    await first.repo.close();

    const second = await open(dir);
    const assignment = await second.consumer.assign({ ...STATE, committed: 0n });
    expect(assignment.offset).toBe(2n);
    await receive(assignment, [ours(2, one(0), one(5, { idempotency })), ours(3, one(6))]);
    await second.repo.close();
    const text = await readFile(join(dir, 'logs', '2015-04-24', '10.log.json'), 'utf8');
    expect(text).toBe(`${line(0)}\n${line(1)}\n${line(6)}\n`);
    const letters = await readFile(join(dir, 'dlq', `${new Date(now).toISOString().slice(0, 10)}.ndjson`), 'utf8');
    expect(letters).toContain('"source":"kafka:logs/0@1"');
  });
});
