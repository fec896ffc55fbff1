import { expect, test } from 'vitest';
import { mapKinds } from '../model/record-kinds.ts';
import type { LiveStats } from './live.ts';
import { metricLine, toServiceStats } from './service-stats.ts';

const RATES = {
  batches: 0,
  refusedBatches: 0,
  failedBatches: 0,
  bytes: 0,
  accepted: 1_104_395.4,
  stored: 0,
  rejected: 0,
  deadLettered: 0,
  duplicate: 0,
};
const STATS: LiveStats = {
  time: 1,
  uptimeSeconds: 1,
  rates: RATES,
  totals: RATES,
  latency: null,
  sync: null,
  inFlightRecords: 7,
  inFlightBytes: 0,
  openFiles: 0,
  streams: [
    { name: 'access', rates: { stored: 1, bytes: 100_000_000 }, totals: { stored: 1, bytes: 199_000_000 } },
    { name: 'events', rates: { stored: 1, bytes: 4_414_000 }, totals: { stored: 1, bytes: 160_000 } },
  ],
  recordLatency: 0.00000047,
  kinds: [],
  inputs: [],
  dropped: 132_248,
  queue: null,
};
const EMPTY = '{"json":[],"proto":[],"avro":[],"raw":[],"syslog":[],"journald":[]}';

test('the figures have the names and the order that older programs read', () => {
  const samples = { ...mapKinds(() => []), raw: [{ time: 1, line: '{"a":"b"}' }] };
  const stats = toServiceStats(STATS, { kinds: mapKinds((kind) => kind.length), samples });
  expect(JSON.stringify(stats)).toBe(
    '{"logs_per_sec":1104395,"mb_per_sec":104.41,"latency_us":0.47,"queue_length":7,"file_rotations":0,"dropped":132248,' +
      `"json":4,"proto":5,"avro":4,"raw":3,"syslog":6,"journald":8,"samples":${EMPTY.replace('"raw":[]', String.raw`"raw":["{\"a\":\"b\"}"]`)}}`,
  );
});

test('without records there is no latency', () => {
  const idle = toServiceStats(
    { ...STATS, recordLatency: null },
    { kinds: mapKinds(() => 0), samples: mapKinds(() => []) },
  );
  expect(idle.latency_us).toBe(0);
});

test('the line of the log is that of older programs, with threads in the place of goroutines', () => {
  const { message, fields } = metricLine(STATS, { maxQueue: 85_803, threads: 23 });
  expect(message).toBe(
    '[METRIC] Logs/sec: 1104395, MB/s: 104.41, Latency: 0.47µs, Queue: 7 (max: 85803), Rotations: 0, Threads: 23, FileSize: 199.16MB, Dropped: 132248',
  );
  expect(fields).toEqual({
    logsPerSec: 1_104_395,
    mbPerSec: 104.41,
    latencyUs: 0.47,
    queue: 7,
    maxQueue: 85_803,
    rotations: 0,
    threads: 23,
    fileSizeMb: 199.16,
    dropped: 132_248,
  });
});
