import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IdempotencyNote } from '../../model/deliver.ts';
import type { QueuedBatch } from '../queue.ts';
import { batchOf } from '../queue-contract.case.ts';
import type { InRecord, OutRecord } from './driver.ts';
import { encodedBytes, encodedRecords, encodeSend, MAX_RECORDS_PER_SEND, type MessageFormat } from './message.ts';
import { decodeRecords } from './message-reader.ts';

const HOUR = 397_186; // 2015-04-24T10
const NOTE: IdempotencyNote = { key: 'k', bodyHash: 'h', answer: '{"accepted":1}', time: 5 };

function received(records: readonly OutRecord[], from = 100n): InRecord[] {
  return records.map(({ headers, value }, index) => ({ offset: from + BigInt(index), timestamp: 7, headers, value }));
}

function plain(batches: readonly QueuedBatch[]) {
  return batches.map(({ batch, ...rest }) => {
    const hours = [...batch].sort((a, b) => a.hour - b.hour);
    return { ...rest, batch: hours.map(({ hour, count, lines }) => [hour, count, lines.toString()]) };
  });
}

function roundTrip(batches: readonly QueuedBatch[], format: MessageFormat, targetBytes: number) {
  const items = decodeRecords('access', received(encodeSend(batches, { format, targetBytes })));
  return items.flatMap((item) => (item.kind === 'batches' ? item.batches : []));
}

describe('a send', () => {
  it('is one record an hour, with what other readers want in plain headers', () => {
    const batch = batchOf([HOUR, '{"a":1}', '{"a":2}'], [HOUR + 1, '{"b":1}']);
    const records = encodeSend([{ id: 'p:3', batch, idempotency: NOTE }], { format: 'ndjson', targetBytes: 1000 });
    const note = { 'idempotency-key': 'k', 'body-hash': 'h', answer: '{"accepted":1}', time: '5' };
    const common = { 'content-type': 'application/x-ndjson', 'batch-id': 'p:3' };
    expect(records.map(({ headers, value }) => [headers, value.toString()])).toEqual([
      [{ ...common, ...note, hour: '2015-04-24T10:00:00Z', records: '2', parts: '2' }, '{"a":1}\n{"a":2}\n'],
      [{ ...common, hour: '2015-04-24T11:00:00Z', records: '1' }, '{"b":1}\n'],
    ]);
  });

  it('names the owner of a key in a header of its own, which older readers do not look at', () => {
    const batch = batchOf([HOUR, '{"a":1}']);
    const options = { format: 'ndjson', targetBytes: 1000 } as const;
    const [record] = encodeSend([{ id: 'p:3', batch, idempotency: { ...NOTE, owner: '0123456789abcdef' } }], options);
    expect(record?.headers).toMatchObject({ 'idempotency-key': 'k', 'key-owner': '0123456789abcdef' });
    const [without] = encodeSend([{ id: 'p:3', batch, idempotency: NOTE }], options);
    expect(without?.headers).not.toHaveProperty('key-owner');
  });

  it.each([
    ['a line break', { 'idempotency-key': 'a\r\nb' }],
    ['256 characters', { 'idempotency-key': 'k'.repeat(256) }],
    ['a digest of a kilobyte', { 'body-hash': 'h'.repeat(1024) }],
    ['an owner with a space', { 'key-owner': 'a b' }],
    ['a time before 1970', { time: '-1' }],
    ['a time that no clock can have', { time: '9000000000000000' }],
  ])('is read like a message of another producer, when its key has %s', (_, headers) => {
    const [record] = encodeSend([{ id: 'p:3', batch: batchOf([HOUR, '{"a":1}']), idempotency: NOTE }], {
      format: 'ndjson',
      targetBytes: 1000,
    });
    const read = (more: Record<string, string>) => {
      const items = decodeRecords(
        'access',
        received(record === undefined ? [] : [{ ...record, headers: { ...record.headers, ...more } }]),
      );
      return items;
    };
    expect(read({})).toMatchObject([{ kind: 'batches', batches: [{ id: 'p:3', idempotency: NOTE }] }]);
    expect(read(headers)).toMatchObject([{ kind: 'foreign' }]);
  });

  it('is one line a record in format record, without headers that say again what the record before says', () => {
    const batches = [
      { id: 'p:3', batch: batchOf([HOUR, '{"a":1}', '{"a":2}']) },
      { id: 'p:4', batch: batchOf([HOUR, '{"b":1}']) },
    ];
    const records = encodeSend(batches, { format: 'record', targetBytes: 1000 });
    const common = { 'content-type': 'application/json', hour: '2015-04-24T10:00:00Z' };
    expect(records.map(({ headers, value }) => [headers, value.toString()])).toEqual([
      [{ ...common, 'batch-id': 'p:3', parts: '3' }, '{"a":1}'],
      [{}, '{"a":2}'],
      [{ ...common, 'batch-id': 'p:4' }, '{"b":1}'],
    ]);
  });

  it('joins batches hour by hour and keeps each to itself', () => {
    const batches = [
      { id: 'p:1', batch: batchOf([HOUR, '{"a":1}']), idempotency: NOTE },
      { id: 'p:2', batch: batchOf([HOUR, '{"b":1}'], [HOUR + 1, '{"b":2}']) },
      { id: 'p:3', batch: batchOf([HOUR, '{"c":1}']), idempotency: { ...NOTE, key: 'other' } },
    ];
    const records = encodeSend(batches, { format: 'ndjson', targetBytes: 1000 });
    expect(records).toHaveLength(2);
    expect(records[0]?.headers).toMatchObject({ 'batch-id': 'p:1 p:2 p:3', segments: '0/0:1:8 1/0:1:8 2/0:1:8' });
    expect(plain(roundTrip(batches, 'ndjson', 1000))).toEqual(plain(batches));
  });

  it('cuts a large hour at the ends of lines', () => {
    const lines = Array.from({ length: 50 }, (_, index) => `{"n":${index},"x":"${'y'.repeat(index * 3)}"}`);
    const batches = [{ id: 'p:1', batch: batchOf([HOUR, ...lines]) }];
    const records = encodeSend(batches, { format: 'ndjson', targetBytes: 300 });
    expect(records.length).toBeGreaterThan(10);
    for (const { value, headers } of records) {
      expect(value.length).toBeLessThanOrEqual(300);
      expect(value.toString().split('\n').length - 1).toBe(Number(headers.records));
    }
    expect(plain(roundTrip(batches, 'ndjson', 300))).toEqual(plain(batches));
  });

  it('keeps a line that is longer than a record should be', () => {
    const batches = [{ id: 'p:1', batch: batchOf([HOUR, '{"a":1}', `{"x":"${'y'.repeat(500)}"}`, '{"b":1}']) }];
    expect(plain(roundTrip(batches, 'ndjson', 100))).toEqual(plain(batches));
  });

  it('lets hours share records when there are too many for one each', () => {
    const batch = Array.from({ length: 2_000 }, (_, index) => batchOf([HOUR + index, `{"n":${index}}`])).flat();
    const records = encodeSend([{ id: 'p:1', batch }], { format: 'ndjson', targetBytes: 900_000 });
    expect(records.length).toBeLessThanOrEqual(MAX_RECORDS_PER_SEND);
    expect(plain(roundTrip([{ id: 'p:1', batch }], 'ndjson', 900_000))).toEqual(plain([{ id: 'p:1', batch }]));
  });

  it('comes to no more bytes and records than was reckoned', () => {
    fc.assert(
      fc.property(anyBatches(), anyFormat(), fc.integer({ min: 20, max: 400 }), (batches, format, targetBytes) => {
        for (const batch of batches) {
          const records = encodeSend([batch], { format, targetBytes });
          const bytes = records.reduce((sum, { headers, value }) => {
            const texts = Object.entries(headers).map(([name, text]) => name.length + Buffer.byteLength(text) + 4);
            return sum + value.length + 20 + texts.reduce((total, length) => total + length, 0);
          }, 61);
          expect(encodedBytes(batch, { format, targetBytes })).toBeGreaterThanOrEqual(bytes);
          if (format === 'record')
            expect(encodedRecords(batch, { format, targetBytes })).toBeGreaterThanOrEqual(records.length);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('comes out as it went in, whatever is joined', () => {
    fc.assert(
      fc.property(anyBatches(), anyFormat(), fc.integer({ min: 20, max: 400 }), (batches, format, targetBytes) => {
        expect(plain(roundTrip(batches, format, targetBytes))).toEqual(expect.arrayContaining(plain(batches)));
        expect(roundTrip(batches, format, targetBytes)).toHaveLength(batches.length);
      }),
      { numRuns: 300 },
    );
  });
});

/** The lines of each hour, as the batches come one after the other. */
function byHour(batches: readonly QueuedBatch[]): Map<number, string> {
  const hours = new Map<number, string>();
  for (const { hour, lines } of batches.flatMap(({ batch }) => batch)) {
    hours.set(hour, `${hours.get(hour) ?? ''}${lines}`);
  }
  return new Map([...hours].sort(([a], [b]) => a - b));
}

describe('the order of joined batches', () => {
  // make reliability VERSION=2 SEED=7 LIFE=2 ONLY=network: batches of one client, sent together from the spool.
  it('is kept in each hour, also where a later batch appears first because of another hour', () => {
    const batches = [
      { id: 'p:0', batch: batchOf([HOUR, '{"a":0}']) },
      { id: 'p:1', batch: batchOf([HOUR + 1, '{"a":1}']) },
      { id: 'p:2', batch: batchOf([HOUR, '{"a":2}'], [HOUR + 1, '{"a":3}']) },
    ];
    const read = roundTrip(batches, 'ndjson', 1000);
    expect(read.map(({ id }) => id)).toEqual(['p:0', 'p:1', 'p:2']);
    expect(byHour(read)).toEqual(byHour(batches));
  });

  it('is kept in each hour, whatever is joined', () => {
    fc.assert(
      fc.property(anyBatches(), anyFormat(), fc.integer({ min: 20, max: 400 }), (batches, format, targetBytes) => {
        expect(byHour(roundTrip(batches, format, targetBytes))).toEqual(byHour(batches));
      }),
      { numRuns: 300 },
    );
  });

  it('loses no batch of a forged send, whose hours contradict each other', () => {
    const headers = { 'content-type': 'application/x-ndjson', segments: '0/0:1:8 1/0:1:8' };
    const value = Buffer.from('{"a":1}\n{"a":2}\n');
    const forged = received([
      { headers: { ...headers, hour: '2015-04-24T10:00:00Z', 'batch-id': 'p:0 p:1', parts: '2' }, value },
      { headers: { ...headers, hour: '2015-04-24T11:00:00Z', 'batch-id': 'p:1 p:0' }, value },
    ]);
    expect(decodeRecords('access', forged)).toMatchObject([
      { kind: 'batches', batches: [{ id: 'p:0' }, { id: 'p:1' }] },
    ]);
  });
});

describe('records that are not ours', () => {
  const ours = encodeSend([{ id: 'p:3', batch: batchOf([HOUR, '{"a":1}', '{"a":2}']) }], {
    format: 'ndjson',
    targetBytes: 1000,
  });
  const [record] = received(ours);
  const withHeaders = (headers: Record<string, string>) => {
    return decodeRecords(
      'access',
      record === undefined ? [] : [{ ...record, headers: { ...record.headers, ...headers } }],
    );
  };

  it.each([
    ['a content type of another kind', { 'content-type': 'text/plain' }],
    ['an hour that is none', { hour: '2015-04-24T10:30:00Z' }],
    ['an id that is none', { 'batch-id': 'p' }],
    ['no number of lines', { records: '' }],
    ['segments that do not add up', { segments: '0/0:1:8' }],
    ['a segment that ends within a line', { segments: '0/0:1:7 0/0:1:9' }],
    ['a segment of a batch that is not named', { segments: '0/0:1:8 1/0:1:8' }],
    ['a key in broken JSON', { idempotency: '[{' }],
  ])('are told by %s', (_, headers) => {
    expect(withHeaders(headers)).toMatchObject([{ kind: 'foreign', offset: 100n, next: 101n }]);
  });

  it('keep their place between ours, and their content type in plain form', () => {
    const headers = { 'content-type': 'Application/JSON; charset=utf-8' };
    const other = { offset: 101n, timestamp: 9, headers, value: Buffer.from('{}') };
    const more = received(ours, 102n);
    const items = decodeRecords('access', [...received(ours), other, ...more]);
    expect(items.map(({ kind, offset, next }) => [kind, offset, next])).toEqual([
      ['batches', 100n, 101n],
      ['foreign', 101n, 102n],
      ['batches', 102n, 103n],
    ]);
    expect(items[1]).toMatchObject({ contentType: 'application/json' });
  });

  it('are what is left of a send of which a part is missing', () => {
    const batch = batchOf([HOUR, '{"a":1}'], [HOUR + 1, '{"b":1}'], [HOUR + 2, '{"c":1}']);
    const [first, , third] = received(encodeSend([{ id: 'p:3', batch }], { format: 'ndjson', targetBytes: 1000 }));
    const items = decodeRecords(
      'access',
      [first, third].flatMap((part) => part ?? []),
    );
    // Each says by itself what it holds.
    expect(items.map(({ kind, offset }) => [kind, offset])).toEqual([
      ['batches', 100n],
      ['batches', 102n],
    ]);
  });

  it('do not take the rest of their send with them', () => {
    const batches = [
      { id: 'p:1', batch: batchOf([HOUR, '{"a":1}'], [HOUR + 1, '{"a":2}']), idempotency: NOTE },
      { id: 'p:2', batch: batchOf([HOUR + 2, '{"b":1}']) },
    ];
    const records = received(encodeSend(batches, { format: 'ndjson', targetBytes: 1000 }));
    const torn = records.map((each, index) => (index === 1 ? { ...each, value: null } : each));
    const items = decodeRecords('access', torn);
    expect(items.map(({ kind, offset, next }) => [kind, offset, next])).toEqual([
      ['batches', 100n, 103n],
      ['foreign', 101n, 102n],
    ]);
    const found = items.flatMap((item) => (item.kind === 'batches' ? item.batches : []));
    expect(plain(found)).toEqual([
      { id: 'p:1', batch: [[HOUR, 1, '{"a":1}\n']], idempotency: NOTE },
      { id: 'p:2', batch: [[HOUR + 2, 1, '{"b":1}\n']] },
    ]);
  });

  it('do not tear the next send apart by a false number of parts', () => {
    const value = Buffer.from('{}');
    const liar = { offset: 99n, timestamp: 0, headers: { parts: '2' }, value };
    const batch = batchOf([HOUR, '{"a":1}'], [HOUR + 1, '{"a":2}']);
    const items = decodeRecords('access', [
      liar,
      ...received(encodeSend([{ id: 'p:1', batch }], { format: 'ndjson', targetBytes: 1000 })),
    ]);
    expect(items.map(({ kind, offset, next }) => [kind, offset, next])).toEqual([
      ['foreign', 99n, 100n],
      ['batches', 100n, 102n],
    ]);
  });

  const letter = { time: 5, stage: 'ingest', reason: 'r', raw: 'x', source: 's' };
  const lettersOf = (value: string | Buffer) => {
    const headers = { 'content-type': 'application/vnd.logforge.dead-letters+ndjson', 'batch-id': 'p:1' };
    return decodeRecords('access', [{ offset: 7n, timestamp: 0, headers, value: Buffer.from(value) }]);
  };

  it.each<[string, string | Buffer]>([
    ['no JSON', 'garbage\n'],
    ['an object without the fields', '{}\n'],
    ['null', 'null\n'],
    ['a line without its end', JSON.stringify(letter)],
    ['a time that is no number', `${JSON.stringify({ ...letter, time: '5' })}\n`],
    ['a time after the year 9999', `${JSON.stringify({ ...letter, time: 253_402_300_800_000 })}\n`],
    ['a stage with a line in it', `${JSON.stringify({ ...letter, stage: 'x","evil":"1\n{"b":2}' })}\n`],
    ['a raw text that is none', `${JSON.stringify({ ...letter, raw: {} })}\n`],
    ['a mapping that is no name', `${JSON.stringify({ ...letter, map: 5 })}\n`],
    ['a good line and a bad one', `${JSON.stringify(letter)}\n{}\n`],
    ['days that are far from each other', [0, 1e9].map((time) => `${JSON.stringify({ ...letter, time })}\n`).join('')],
    ['a nesting that no parser reads', `${'['.repeat(200_000)}\n`],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d, 0x0a])],
  ])('are dead letters that hold %s', (_, value) => {
    const problem = 'message says that it holds dead letters of logforge, and does not';
    expect(lettersOf(value)).toMatchObject([{ kind: 'foreign', offset: 7n, problem }]);
  });

  it('bring no field of a dead letter that is not known', () => {
    expect(lettersOf(`${JSON.stringify({ ...letter, evil: 1 })}\n`)).toMatchObject([
      { kind: 'batches', batches: [{ id: 'p:1', deadLetters: [letter] }] },
    ]);
  });

  it.each([
    ['that is empty', { 'idempotency-key': '' }],
    ['that is longer than 255 characters', { 'idempotency-key': 'k'.repeat(256) }],
    ['with a line break', { 'idempotency-key': 'k\nk' }],
    ['without a hash', { 'body-hash': '' }],
    ['with an answer that is no JSON object', { answer: 'x\r\nX: y' }],
    ['without a time', { time: '' }],
    ['of a time after the year 9999', { time: '9007199254740991' }],
  ])('are told by a key %s', (_, changed) => {
    const headers = { 'idempotency-key': 'k', 'body-hash': 'h', answer: '{}', time: '5' };
    expect(withHeaders(headers)).toMatchObject([{ kind: 'batches' }]);
    expect(withHeaders({ ...headers, ...changed })).toMatchObject([{ kind: 'foreign' }]);
  });

  it('are told by more ids than a send has, and by an id that is too long', () => {
    const many = Array.from({ length: 15_000 }, (_, index) => `p:${index}`).join(' ');
    expect(withHeaders({ 'batch-id': many })).toMatchObject([{ kind: 'foreign' }]);
    expect(withHeaders({ 'batch-id': `${'p'.repeat(65)}:1` })).toMatchObject([{ kind: 'foreign' }]);
  });

  it('say why when they are encoded', () => {
    const headers = { 'content-encoding': 'gzip' };
    const problem = 'message has the content-encoding "gzip"; none is supported';
    expect(decodeRecords('access', [{ offset: 1n, timestamp: 0, headers, value: Buffer.from([1]) }])).toMatchObject([
      { problem },
    ]);
  });

  it('are an empty value and a value that could not be read', () => {
    const empty = { offset: 1n, timestamp: 0, headers: {}, value: null };
    expect(decodeRecords('access', [empty, { ...empty, offset: 2n, problem: 'why' }])).toEqual([
      { kind: 'foreign', offset: 1n, next: 2n, timestamp: 0, contentType: '', value: null },
      { kind: 'foreign', offset: 2n, next: 3n, timestamp: 0, contentType: '', value: null, problem: 'why' },
    ]);
  });
});

function anyFormat(): fc.Arbitrary<MessageFormat> {
  return fc.constantFrom('ndjson', 'record');
}

function anyBatches(): fc.Arbitrary<QueuedBatch[]> {
  const line = fc.string({ unit: 'grapheme', maxLength: 60 }).map((text) => JSON.stringify({ text }));
  const hours = fc.uniqueArray(fc.integer({ min: HOUR, max: HOUR + 4 }), { maxLength: 4 });
  const batch = fc.tuple(hours, fc.array(line, { minLength: 1, maxLength: 6 })).map(([chosen, lines]) => {
    return batchOf(...chosen.map((hour) => [hour, ...lines] as const));
  });
  const letter = fc.record(
    {
      time: fc.nat({ max: 86_400_000 }),
      stage: fc.constantFrom('ingest' as const, 'consume' as const),
      map: fc.constant('caddy'),
      reason: fc.string(),
      raw: fc.string({ unit: 'grapheme' }),
      source: fc.constant('s'),
    },
    { requiredKeys: ['time', 'stage', 'reason', 'raw', 'source'] },
  );
  const note = fc.record(
    {
      key: fc.stringMatching(/^[!-~]{1,20}$/),
      bodyHash: fc.constant('abc'),
      answer: fc.string().map((text) => JSON.stringify({ text })),
      time: fc.nat(),
      owner: fc.constantFrom('0123456789abcdef', 'fedcba9876543210'),
    },
    { requiredKeys: ['key', 'bodyHash', 'answer', 'time'] },
  );
  const queued = fc.record(
    { batch, idempotency: note, deadLetters: fc.array(letter, { minLength: 1, maxLength: 3 }) },
    { requiredKeys: ['batch'] },
  );
  return fc
    .array(queued, { minLength: 1, maxLength: 6 })
    .map((several) => several.map((one, index) => ({ ...one, id: `6f1c-9b2e:${index}` })));
}
