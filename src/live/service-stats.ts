import { type KindSamples, mapKinds, type RecordKind } from '../model/record-kinds.ts';
import type { LiveStats, ServiceStats } from './live.ts';

/** `kinds` and `samples` of this moment; the other figures are those of the last second. */
export function toServiceStats(
  stats: LiveStats,
  {
    kinds,
    samples,
    sources,
  }: {
    readonly kinds: Readonly<Record<RecordKind, number>>;
    readonly samples: KindSamples;
    readonly sources?: ServiceStats['sources'];
  },
): ServiceStats {
  const { recordLatency, inFlightRecords, dropped } = stats;
  return {
    logs_per_sec: Math.round(stats.rates.accepted),
    mb_per_sec: hundredths(storedPerSecond(stats) / 1e6),
    latency_us: hundredths((recordLatency ?? 0) * 1e6),
    queue_length: inFlightRecords,
    file_rotations: NO_ROTATIONS,
    dropped,
    ...mapKinds((kind) => kinds[kind]),
    samples: mapKinds((kind) => samples[kind].map(({ line }) => line)),
    ...(sources !== undefined && { sources }),
  };
}

/** There are no outputs yet that could rotate files. */
const NO_ROTATIONS = 0;

/** Bytes of stored lines. */
function storedPerSecond({ streams }: LiveStats): number {
  return streams.reduce((sum, { rates }) => sum + rates.bytes, 0);
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}

/**
 * The figures as one line of the own log, as older programs write it:
 * `[METRIC] Logs/sec: 1104395, MB/s: 104.41, Latency: 0.47µs, Queue: 0 (max: 85803), Rotations: 12, Threads: 23, FileSize: 199.16MB, Dropped: 132248`.
 * `maxQueue`: the longest queue since the start; `threads`: of the process.
 */
export function metricLine(
  stats: LiveStats,
  { maxQueue, threads }: { readonly maxQueue: number; readonly threads: number },
): { readonly message: string; readonly fields: Readonly<Record<string, number>> } {
  const storedBytes = stats.streams.reduce((sum, { totals }) => sum + totals.bytes, 0);
  const fields = {
    logsPerSec: Math.round(stats.rates.accepted),
    mbPerSec: hundredths(storedPerSecond(stats) / 1e6),
    latencyUs: hundredths((stats.recordLatency ?? 0) * 1e6),
    queue: stats.inFlightRecords,
    maxQueue,
    rotations: NO_ROTATIONS,
    threads,
    fileSizeMb: hundredths(storedBytes / 1e6),
    dropped: stats.dropped,
  };
  const message =
    `[METRIC] Logs/sec: ${fields.logsPerSec}, MB/s: ${fields.mbPerSec.toFixed(2)}, Latency: ${fields.latencyUs.toFixed(2)}µs, ` +
    `Queue: ${fields.queue} (max: ${maxQueue}), Rotations: ${fields.rotations}, Threads: ${threads}, ` +
    `FileSize: ${fields.fileSizeMb.toFixed(2)}MB, Dropped: ${fields.dropped}`;
  return { message, fields };
}
