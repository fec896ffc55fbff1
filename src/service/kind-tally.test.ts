import { describe, expect, test } from 'vitest';
import type { Decoded, RecordKind } from '../decode/decode.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { mergeSamples } from '../model/record-kinds.ts';
import { createKindTally } from './kind-tally.ts';

function setUp() {
  const metrics = createMetrics({ defaultMetrics: false });
  let now = 1_000;
  const tally = createKindTally({ metrics, clock: () => now });
  const counts = async () => {
    const { values } = await metrics.kindRecords.get();
    return Object.fromEntries(values.flatMap(({ labels, value }) => (value > 0 ? [[labels.kind, value]] : [])));
  };
  const pass = (ms: number) => {
    now += ms;
  };
  return { tally, metrics, counts, pass };
}

function decoded(lines: readonly string[], kinds?: Decoded['kinds']): Decoded {
  const text = Buffer.from(lines.map((line) => `${line}\n`).join(''));
  return {
    batch: [{ stream: 'access', hour: 1, count: lines.length, lines: text }],
    accepted: lines.length,
    rejections: [],
    rejected: 0,
    ...(kinds !== undefined && { kinds }),
  };
}

const linesOf = (samples: readonly { readonly line: string }[]) => samples.map(({ line }) => line);

describe('records are counted by kind', () => {
  test.each([
    ['json', 'json'],
    ['ndjson', 'json'],
    ['csv', 'json'],
    ['avro', 'avro'],
    ['protobuf', 'proto'],
    ['protobuf-delimited', 'proto'],
  ] as const)('a body of format %s has records of kind %s', async (format, kind) => {
    const { tally, counts } = setUp();
    tally.examine(format, decoded(['a', 'b']))(0.5);
    expect(await counts()).toEqual({ [kind]: 2 });
    expect(linesOf(tally.samples()[kind])).toEqual(['b']);
  });

  test('what a decoder says of a block of several kinds holds', async () => {
    const { tally, counts } = setUp();
    const kinds = new Map<RecordKind, { records: number; sample: string }>([
      ['raw', { records: 3, sample: 'r' }],
      ['syslog', { records: 1, sample: 's' }],
    ]);
    tally.examine('ndjson', decoded(['1', '2', '3', '4'], kinds))(0);
    expect(await counts()).toEqual({ raw: 3, syslog: 1 });
    expect(linesOf(tally.samples().raw)).toEqual(['r']);
    expect(linesOf(tally.samples().json)).toEqual([]);
  });

  test('a batch that is not delivered counts nothing', async () => {
    const { tally, counts } = setUp();
    tally.examine('json', decoded(['a']));
    expect([await counts(), linesOf(tally.samples().json)]).toEqual([{}, []]);
    tally.examine('json', { ...decoded([]), batch: [] })(1);
    expect(await counts()).toEqual({});
  });

  test('latency is summed over records', async () => {
    const { tally, metrics } = setUp();
    tally.examine('json', decoded(['a', 'b']))(0.25);
    tally.examine('json', decoded(['a']))(1);
    // The clock of the machine was set back between arrival and commit.
    tally.examine('json', decoded(['a']))(-5);
    expect((await metrics.recordLatency.get()).values[0]?.value).toBe(1.5);
  });
});

describe('samples', () => {
  test('are the last three, newest first, and at most one in 100 ms', () => {
    const { tally, pass } = setUp();
    for (const line of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) {
      tally.examine('json', decoded(['x', line]))(0);
      pass(60);
    }
    expect(linesOf(tally.samples().json)).toEqual(['g', 'e', 'c']);
  });

  test('go on when the clock is set back', () => {
    const { tally, pass } = setUp();
    tally.examine('json', decoded(['a']))(0);
    pass(-500_000);
    tally.examine('json', decoded(['b']))(0);
    expect(linesOf(tally.samples().json)).toEqual(['b', 'a']);
  });

  test('are cut to 1 KiB between characters', () => {
    const { tally } = setUp();
    tally.examine('json', decoded([`${'a'.repeat(1_023)}ü and more`]))(0);
    expect(linesOf(tally.samples().json)).toEqual(['a'.repeat(1_023)]);
    tally.examine('avro', decoded(['a'.repeat(1_024)]))(0);
    expect(linesOf(tally.samples().avro)).toEqual(['a'.repeat(1_024)]);
  });

  test('do not change with the memory of their batch', () => {
    const { tally } = setUp();
    const one = decoded(['first']);
    const count = tally.examine('json', one);
    one.batch[0]?.lines.fill(0);
    count(0);
    expect(linesOf(tally.samples().json)).toEqual(['first']);
  });

  test('of several threads are merged by time', () => {
    const [one, two] = [setUp(), setUp()];
    for (const line of ['a', 'c', 'e']) {
      one.tally.examine('json', decoded([line]))(0);
      one.pass(200);
    }
    two.pass(100);
    two.tally.examine('json', decoded(['b']))(0);
    two.pass(200);
    two.tally.examine('json', decoded(['d']))(0);
    expect(linesOf(mergeSamples([one.tally.samples(), two.tally.samples()]).json)).toEqual(['e', 'd', 'c']);
  });
});
