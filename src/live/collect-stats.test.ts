import { expect, it } from 'vitest';
import { CollectCounts, type Collected } from './collect-stats.ts';

const GAUGES = { files: 1, lagBytes: 5, inFlight: 2, about: 'a to b' };

function part(more: Partial<Collected> = {}): Collected {
  return {
    source: '/var/log/a.log',
    kind: 'raw',
    bytes: 100,
    records: 2,
    refused: 0,
    levels: new Map([['INFO', 2]]),
    tags: new Map([['auth', 2]]),
    errors: [],
    filtered: 0,
    latencyMs: 4,
    lines: Buffer.from('{"a":1}\n{"a":2}\n'),
    ...more,
  };
}

it('shows totals, levels, tags, errors, sources and the last lines', () => {
  let now = 10_000;
  const counts = new CollectCounts(() => now);
  counts.add(part());
  counts.add(part({ kind: 'json', source: 'b', levels: new Map([['WARN', 1]]), records: 1, refused: 1, filtered: 3 }));
  counts.add(part({ records: 0, lines: Buffer.alloc(0), errors: [{ file: 'b', number: 7, reason: 'why' }] }));
  now += 1_000;
  expect(counts.read(GAUGES)).toMatchObject({
    logs_per_sec: 3,
    latency_us: 4_000,
    queue_length: 2,
    dropped: 0,
    raw: 2,
    json: 1,
    total: 3,
    levels: { INFO: 4, WARN: 1 },
    tags: { auth: 6 },
    parsing_errors: 1,
    filtered: 3,
    refused: 1,
    files: 1,
    lag_bytes: 5,
    uptime_seconds: 1,
    sources: [
      { source: '/var/log/a.log', records: 2, bytes: 200 },
      { source: 'b', records: 1, bytes: 100 },
    ],
    last_errors: [{ file: 'b', number: 7, reason: 'why' }],
    samples: { raw: ['{"a":2}', '{"a":1}'], json: ['{"a":2}', '{"a":1}'], proto: [] },
    about: 'a to b',
  });
  now += 5_000;
  expect(counts.read(GAUGES)).toMatchObject({ logs_per_sec: 0, total: 3 });
});

it('everything that is kept has a bound', () => {
  const counts = new CollectCounts(() => 0);
  for (let i = 0; i < 300; i++) {
    const errors = [{ file: 'f', number: i, reason: 'r' }];
    const lines = Buffer.from(`{"i":${i},"x":"${'x'.repeat(5_000)}"}\n`);
    counts.add(part({ levels: new Map([[`L${i}`, 1]]), tags: new Map([[`t${i}`, 1]]), errors, lines }));
  }
  const { levels, tags, last_errors, samples, parsing_errors } = counts.read(GAUGES);
  expect(Object.keys(levels).length).toBe(201);
  expect([levels.other, tags.other]).toEqual([100, 100]);
  expect([last_errors.length, last_errors[0]?.number, parsing_errors]).toEqual([20, 299, 300]);
  expect([samples.raw.length, samples.raw[0]?.length]).toEqual([10, 4_096]);
});
