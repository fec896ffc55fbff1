import { expect, it } from 'vitest';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import type { Decoder } from '../decode/decode.ts';
import { createDecoders } from '../decode/decoders.ts';
import { createMetrics } from '../metrics/metrics.ts';
import type { Batch } from '../model/chunk.ts';
import { type CommitNote, type DeadLetter, type Deliver, PermanentError, UnavailableError } from '../model/deliver.ts';
import { EVENTS_STREAM } from '../model/stream.ts';
import { createAccounting } from './accounting.ts';
import { createIngest } from './ingest.ts';
import { createIntake } from './intake.ts';
import { createKindTally } from './kind-tally.ts';

const decoders = createDecoders(EVENTS_STREAM);
const READY = Promise.resolve();

function line(message: string): string {
  return `{"timestamp":"2025-07-02T17:00:00Z","level":"INFO","message":"${message}","service":"s"}\n`;
}

interface Parts {
  /** Batches that the next stage refuses for good. */
  readonly refuses?: (text: string) => boolean;
  /** Another decoder of lines. */
  readonly ndjson?: Decoder;
  /** Told of each batch before it is delivered. */
  readonly onBatch?: (batch: Batch) => Promise<void>;
}

function setUp({ refuses = () => false, ndjson, onBatch }: Parts = {}) {
  const metrics = createMetrics({ defaultMetrics: false });
  const accounting = createAccounting(metrics);
  const messages: string[] = [];
  const letters: DeadLetter[] = [];
  const deliver: Deliver = async (batch: Batch, note?: CommitNote) => {
    if (batch.length > 0) await onBatch?.(batch);
    const text = batch.map(({ lines }) => lines.toString()).join('');
    if (refuses(text)) throw new PermanentError('the next stage takes no such batch');
    messages.push(...Array.from(text.matchAll(/"message":"([^"]*)"/g), ([, message = '']) => message));
    letters.push(...(note?.deadLetters ?? []));
    return { durability: 'disk' };
  };
  let records = 0;
  let retries = 0;
  const stopping = new AbortController();
  const intake = createIntake({
    ingest: createIngest({
      decodersOf: () => ({ ...decoders, ...(ndjson !== undefined && { ndjson }) }),
      decode: { ...DECODE_OPTIONS, invalid: 'skip', isBlock: true },
      deliver,
      delivered: 'stored',
      accounting,
      tally: createKindTally({ metrics, clock: () => 0 }),
      metrics,
      clock: () => 0,
    }),
    stream: 'events',
    format: 'ndjson',
    form: 'lines',
    source: 'input:test',
    deliver,
    account: accounting.of('events'),
    reusesMemory: true,
    onRecords: (count) => {
      records += count;
    },
    patience: { firstMs: 1, maxMs: 1, signal: stopping.signal, onRetry: () => retries++ },
    clock: () => 0,
  });
  const take = (text: string, more: Partial<Parameters<typeof intake>[0]> = {}) =>
    intake({ bytes: Buffer.from(text), arrival: 0, unread: [], after: READY, ...more });
  return { take, messages, letters, accounting, metrics, stopping, records: () => records, retries: () => retries };
}

it('stores the valid records of a block, and puts the others aside', async () => {
  const { take, messages, letters, accounting, records } = setUp();
  await take(`${line('a')}no JSON\n${line('b')}`);
  expect(messages).toEqual(['a', 'b']);
  expect(letters).toMatchObject([{ raw: 'no JSON', source: 'input:test', stage: 'ingest' }]);
  expect([records(), accounting.unaccounted(), accounting.inFlightRecords()]).toEqual([3, 0, 0]);
});

it('puts frames aside that could not be read, after the records that came before', async () => {
  const { take, letters, records } = setUp();
  const long = { beginning: Buffer.from('{"timestamp":"20'), reason: 'a frame of 300 bytes is longer than 100' };
  await take('', { unread: [long] });
  expect(letters).toMatchObject([{ raw: '{"timestamp":"20', reason: long.reason }]);
  expect(records()).toBe(1);
});

it('delivers nothing before the block that came first', async () => {
  const { take, messages } = setUp();
  const first = Promise.withResolvers<void>();
  const second = take(line('second'), { after: first.promise });
  await new Promise((resolve) => setImmediate(resolve));
  expect(messages).toEqual([]);
  first.resolve();
  await second;
  expect(messages).toEqual(['second']);
});

it('a record that the next stage refuses for good becomes a dead letter, and the others are stored in order', async () => {
  const { take, messages, letters, accounting, metrics } = setUp({ refuses: (text) => text.includes('"message":"c"') });
  await take(['a', 'b', 'c', 'd', 'e'].map(line).join(''));
  expect(messages).toEqual(['a', 'b', 'd', 'e']);
  expect(letters).toMatchObject([{ raw: line('c').trimEnd(), reason: 'the next stage takes no such batch' }]);
  expect((await metrics.received.get()).values[0]?.value).toBe(5);
  const outcomes = (await metrics.records.get()).values.map(({ labels, value }) => [labels.outcome, value]);
  expect(Object.fromEntries(outcomes)).toEqual({ stored: 4, rejected: 0, dead_lettered: 1, duplicate: 0 });
  expect([accounting.unaccounted(), accounting.inFlightRecords()]).toEqual([0, 0]);
});

it('a defect of a decoder costs the frame that shows it', async () => {
  const { take, messages, letters, accounting } = setUp({
    *ndjson(body, options) {
      if (body.includes('poison')) throw new RangeError('Maximum call stack size exceeded');
      return yield* decoders.ndjson(body, options);
    },
  });
  await take(['a', 'b', 'poison', 'd'].map(line).join(''));
  expect(messages).toEqual(['a', 'b', 'd']);
  expect(letters).toMatchObject([{ reason: 'cannot be decoded: Maximum call stack size exceeded' }]);
  expect(accounting.unaccounted()).toBe(0);
});

it('a block waits while its schema cannot be had', async () => {
  let failures = 2;
  const { take, messages, letters, retries } = setUp({
    *ndjson(body, options) {
      if (failures-- > 0) throw new UnavailableError('the schema cannot be compiled', 1);
      return yield* decoders.ndjson(body, options);
    },
  });
  await take(line('a'));
  expect([messages, letters, retries()]).toEqual([['a'], [], 2]);
});

it('rejects when no time is left', async () => {
  const { take, stopping, accounting } = setUp({
    // biome-ignore lint/correctness/useYield: it never gets so far
    *ndjson() {
      stopping.abort(new Error('the time of the stop is over'));
      throw new UnavailableError('the schema cannot be compiled', 1);
    },
  });
  await expect(take(line('a'))).rejects.toThrow('the time of the stop is over');
  expect(accounting.unaccounted()).toBe(0);
});

it('writes the lines of a block to memory of one that is stored, and of no other', async () => {
  const batches: Batch[] = [];
  const delivered: (() => void)[] = [];
  const refused = 'the next stage takes no such batch';
  const { take } = setUp({
    async onBatch(batch) {
      batches.push(batch);
      await new Promise<void>((resolve) => delivered.push(resolve));
      if (batch[0]?.lines.includes('refused') === true) throw new PermanentError(refused);
    },
  });
  // Not in stored order, so that it is written and does not stay in its body.
  const written = (message: string) => `{"message":"${message}",${line('').slice(1).replace('"message":"",', '')}`;
  const begin = async (message: string) => {
    const done = take(written(message));
    await new Promise((resolve) => setImmediate(resolve));
    const lines = batches.at(-1)?.[0]?.lines ?? Buffer.alloc(0);
    return { lines, done, finish: delivered.at(-1) };
  };
  const [first, second] = [await begin('the first'), await begin('the second')];
  expect([first.lines.toString(), second.lines.toString()]).toEqual([line('the first'), line('the second')]);
  expect(isSameMemory(first.lines, second.lines)).toBe(false);
  first.finish?.();
  await first.done;
  const third = await begin('refused');
  expect([second.lines.toString(), third.lines.toString()]).toEqual([line('the second'), line('refused')]);
  expect(isSameMemory(third.lines, first.lines)).toBe(true);
  second.finish?.();
  third.finish?.();
  await Promise.all([second.done, third.done]);
  const [fourth, fifth] = [await begin('fourth'), await begin('fifth')];
  expect(isSameMemory(fourth.lines, second.lines)).toBe(true);
  expect(isSameMemory(fifth.lines, third.lines)).toBe(false);
  fourth.finish?.();
  fifth.finish?.();
  await Promise.all([fourth.done, fifth.done]);
});

function isSameMemory(a: Buffer, b: Buffer): boolean {
  return a.buffer === b.buffer && a.byteOffset === b.byteOffset;
}
