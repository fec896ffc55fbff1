import { describe, expect, it } from 'vitest';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { type Decoder, type Decoders, MAX_LISTED_REJECTIONS, MalformedBodyError } from '../decode/decode.ts';
import { createDecoders } from '../decode/decoders.ts';
import { NoRoomError } from '../lines/batch-limits.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { type CommitNote, type Deliver, type Receipt, UnavailableError } from '../model/deliver.ts';
import { type FieldMap, parseFieldMap } from '../model/field-map.ts';
import { ACCESS_STREAM } from '../model/stream.ts';
import { createAccounting } from './accounting.ts';
import { createIngest } from './ingest.ts';
import { createKindTally } from './kind-tally.ts';
import type { IngestRequest } from './service.ts';

const decoders = createDecoders(ACCESS_STREAM);

const GOOD = '{"timestamp":"2025-11-22T15:23:00Z","path":"/","userAgent":"curl/8"}';
const BAD = '{"timestamp":"yesterday","path":"/","userAgent":"curl/8"}';

function setUp(
  options: { receipt?: Receipt; failure?: Error; decoders?: Decoders; maps?: ReadonlyMap<string, FieldMap> } = {},
) {
  const metrics = createMetrics({ defaultMetrics: false });
  const accounting = createAccounting(metrics);
  const delivered: { text: string; note: CommitNote | undefined }[] = [];
  const deliver: Deliver = async (batch, note) => {
    if (options.failure !== undefined) throw options.failure;
    delivered.push({ text: batch.map((chunk) => chunk.lines.toString()).join(''), note });
    return options.receipt ?? { durability: 'disk' };
  };
  const ingest = createIngest({
    decodersOf: () => options.decoders ?? decoders,
    ...(options.maps !== undefined && { maps: options.maps }),
    decode: { ...DECODE_OPTIONS, maxRecordBytes: 1000 },
    deliver,
    delivered: 'stored',
    accounting,
    tally: createKindTally({ metrics, clock: () => 1234 }),
    metrics,
    clock: () => 1234,
  });
  const post = (text: string, request: Partial<IngestRequest> = {}) =>
    ingest({ stream: 'access', format: 'json', body: Buffer.from(text), source: 'r-1', ...request });
  const outcomes = async () => {
    const { values } = await metrics.records.get();
    const counts: Record<string, number> = {
      unaccounted: accounting.unaccounted(),
      inFlightRecords: accounting.inFlightRecords(),
    };
    for (const { labels, value } of values) if (value > 0) counts[String(labels.outcome)] = value;
    return counts;
  };
  const ofStreams = async () => {
    const { values } = await metrics.streamRecords.get();
    return values.filter(({ value }) => value > 0).map(({ labels, value }) => [labels.stream, labels.outcome, value]);
  };
  return { post, delivered, outcomes, ofStreams };
}

describe('what a file is read to', () => {
  const unread = [{ beginning: Buffer.from('no record'), reason: 'not a line of an access log' }];
  const position = { source: 'file:a', next: '812' };

  it('is committed with its records and with what could not be read', async () => {
    const { post, delivered, outcomes } = setUp();
    const result = await post(`${GOOD}\n${BAD}\n`, { format: 'ndjson', invalid: 'dead-letter', unread, position });
    expect(result).toMatchObject({ kind: 'accepted', records: 3 });
    expect(delivered[0]?.note?.positions).toEqual([position]);
    expect(delivered[0]?.note?.deadLetters).toMatchObject([
      { raw: BAD },
      { raw: 'no record', reason: 'not a line of an access log', source: 'r-1' },
    ]);
    expect(await outcomes()).toMatchObject({ stored: 1, dead_lettered: 2, unaccounted: 0 });
  });

  it('is committed where nothing could be read', async () => {
    const { post, delivered, outcomes } = setUp();
    await post(BAD, { format: 'ndjson', invalid: 'dead-letter', unread, position });
    expect(delivered).toMatchObject([{ text: '', note: { positions: [position] } }]);
    expect(await outcomes()).toMatchObject({ dead_lettered: 2, unaccounted: 0 });
  });
});

describe('ingest', () => {
  it('delivers a batch and answers how many records it held', async () => {
    const { post, delivered, outcomes } = setUp();
    const result = await post(`[${GOOD},${GOOD}]`);
    expect(result).toEqual({
      kind: 'accepted',
      answer: '{"accepted":2}',
      durability: 'disk',
      replayed: false,
      records: 2,
    });
    expect(delivered).toEqual([{ text: `${GOOD}\n${GOOD}\n`, note: {} }]);
    expect(await outcomes()).toEqual({ stored: 2, unaccounted: 0, inFlightRecords: 0 });
  });

  it('counts the outcomes of each stream', async () => {
    const { post, ofStreams } = setUp();
    await post(`[${GOOD},${BAD}]`, { stream: 'events', invalid: 'skip' });
    await post(`[${GOOD}]`);
    await post(`[${BAD}]`);
    expect(await ofStreams()).toEqual([
      ['access', 'stored', 1],
      ['access', 'rejected', 1],
      ['events', 'stored', 1],
      ['events', 'dead_lettered', 1],
    ]);
  });

  it('asks for the memory that the lines take beside the body', async () => {
    const names = Array.from({ length: 9 }, (_, i) => `${i}${'n'.repeat(90)}`).join(',');
    const row = `2025-11-22T15:23:00Z,/,-${','.repeat(9)}\n`;
    const csv = `timestamp,path,userAgent,${names}\n${row.repeat(2_000)}`;
    let asked = 0;
    const grow = (bytes: number) => {
      asked += bytes;
      return asked < 1e6;
    };
    const { post, delivered, outcomes } = setUp();
    await expect(post(csv, { format: 'csv', memory: { grow } })).rejects.toThrow(NoRoomError);
    expect(asked).toBeGreaterThan(1e6);
    expect(delivered).toEqual([]);
    expect(await outcomes()).toEqual({ unaccounted: 0, inFlightRecords: 0 });
  });

  it.each([
    'reject',
    'skip',
  ] as const)('lists the first invalid records and counts all of them (%s)', async (invalid) => {
    const { post } = setUp();
    const result = await post(`[${`${BAD},`.repeat(150)}${BAD}]`, { invalid });
    expect(result).toMatchObject({ kind: 'invalid', rejected: 151 });
    expect(result.kind === 'invalid' && result.rejections).toHaveLength(MAX_LISTED_REJECTIONS);
  });

  it('puts every skipped record among the dead letters and lists the first ones in its answer', async () => {
    const { post, delivered } = setUp();
    const result = await post(`[${`${BAD},`.repeat(150)}${GOOD}]`, { invalid: 'skip' });
    expect(delivered[0]?.note?.deadLetters).toHaveLength(150);
    if (result.kind !== 'accepted') throw new Error('the batch was not accepted');
    expect(JSON.parse(result.answer).errors).toHaveLength(MAX_LISTED_REJECTIONS);
    expect(result.refused?.rejected).toBe(150);
    expect(result.refused?.rejections).toHaveLength(MAX_LISTED_REJECTIONS);
  });

  it('delivers nothing of a batch with an invalid record', async () => {
    const { post, delivered, outcomes } = setUp();
    const result = await post(`[${GOOD},${BAD}]`);
    expect(result).toMatchObject({
      kind: 'invalid',
      rejected: 1,
      rejections: [{ index: 1, field: 'timestamp', reason: 'record 1 invalid timestamp "yesterday"' }],
    });
    expect(delivered).toEqual([]);
    expect(await outcomes()).toEqual({ rejected: 2, unaccounted: 0, inFlightRecords: 0 });
  });

  it('with skip delivers the valid records, and the others as dead letters of the same commit', async () => {
    const { post, delivered, outcomes } = setUp();
    const result = await post(`[${BAD},${GOOD}]`, { invalid: 'skip' });
    const reason = 'record 0 invalid timestamp "yesterday"';
    expect(result).toMatchObject({
      kind: 'accepted',
      answer: JSON.stringify({ accepted: 1, rejected: 1, errors: [{ index: 0, field: 'timestamp', reason }] }),
    });
    expect(delivered).toEqual([
      {
        text: `${GOOD}\n`,
        note: { deadLetters: [{ time: 1234, stage: 'ingest', reason, raw: BAD, source: 'r-1' }] },
      },
    ]);
    expect(await outcomes()).toEqual({ stored: 1, dead_lettered: 1, unaccounted: 0, inFlightRecords: 0 });
  });

  it('with skip refuses a batch that has no valid record', async () => {
    const { post, delivered } = setUp();
    expect(await post(`[${BAD}]`, { invalid: 'skip' })).toMatchObject({ kind: 'invalid', rejected: 1 });
    expect(delivered).toEqual([]);
  });

  it('sends the key with a hash of the body and the answer, and repeats the first answer on a replay', async () => {
    const { post, delivered } = setUp();
    await post(`[${GOOD}]`, { idempotencyKey: 'k' });
    const key = delivered[0]?.note?.idempotency;
    expect(key).toMatchObject({ key: 'k', answer: '{"accepted":1}', time: 1234 });
    expect(key?.bodyHash).toMatch(/^[0-9a-f]{32}$/);
    const again = setUp({ receipt: { durability: 'disk', replay: '{"accepted":7}' } });
    const result = await again.post(`[${GOOD}]`, { idempotencyKey: 'k' });
    expect(result).toEqual({
      kind: 'accepted',
      answer: '{"accepted":7}',
      durability: 'disk',
      replayed: true,
      records: 1,
    });
    expect(await again.outcomes()).toEqual({ duplicate: 1, unaccounted: 0, inFlightRecords: 0 });
  });

  it('reads objects by the mapping that is named, and takes the same bytes by another one for another body', async () => {
    const maps = new Map(['a', 'b'].map((name) => [name, parseFieldMap(`timestamp=t,path=${name}`)]));
    const { post, delivered } = setUp({ maps });
    const body = '[{"t":1431856800,"a":"/a","b":"/b","timestamp":"x"}]';
    for (const map of ['a', 'b', 'a']) await post(body, { map, idempotencyKey: 'k' });
    expect(delivered.map(({ text }) => text)).toEqual(
      ['a', 'b', 'a'].map((name) => `{"timestamp":"2015-05-17T10:00:00Z","path":"/${name}","userAgent":"-"}\n`),
    );
    const [first, second, third] = delivered.map(({ note }) => note?.idempotency?.bodyHash);
    expect([first === third, first === second]).toEqual([true, false]);
    await expect(post(body, { map: 'c' })).rejects.toThrow('there is no mapping "c"');
  });

  it('passes on that a batch cannot be stored, and counts its records as refused', async () => {
    const { post, outcomes } = setUp({ failure: new UnavailableError('disk full', 5) });
    await expect(post(`[${GOOD}]`)).rejects.toThrow('disk full');
    expect(await outcomes()).toEqual({ rejected: 1, unaccounted: 0, inFlightRecords: 0 });
  });

  it('passes on that a body is malformed', async () => {
    const { post, delivered } = setUp();
    await expect(post('[')).rejects.toThrow(MalformedBodyError);
    expect(delivered).toEqual([]);
  });

  it('lets the event loop turn between the steps of a long decoding', async () => {
    const events: string[] = [];
    const slow: Decoder = function* decode() {
      for (let step = 0; step < 3; step++) {
        events.push('step');
        setImmediate(() => events.push('turn'));
        yield;
      }
      return {
        batch: [{ stream: 'access', hour: 0, count: 1, lines: Buffer.from('x\n') }],
        accepted: 1,
        rejections: [],
        rejected: 0,
      };
    };
    const { post } = setUp({ decoders: { ...decoders, json: slow } });
    await post('[]');
    expect(events).toEqual(['step', 'turn', 'step', 'turn', 'step', 'turn']);
  });
});
