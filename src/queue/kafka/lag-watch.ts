import type { Metrics } from '../../metrics/metrics.ts';
import type { Clock } from '../../model/clock.ts';
import type { PartitionEnds } from './driver.ts';

export interface LagWatchOptions {
  readonly topic: string;
  ends(): Promise<readonly PartitionEnds[]>;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly everyMs: number;
}

/** The end of a partition at a time. From these follows the age of what is not stored yet. */
interface Mark {
  readonly time: number;
  readonly high: bigint;
}

/** Marks kept for a partition: at one every 5 s, lag older than an hour shows as an hour. */
const MAX_MARKS = 720;

/** Checks the group's lag at an interval, and sets its gauges. */
export function createLagWatch({ topic, ends, metrics, clock, everyMs }: LagWatchOptions) {
  const marks = new Map<number, Mark[]>();
  let timer: NodeJS.Timeout | undefined;
  let checking: Promise<readonly PartitionEnds[]> | undefined;

  async function checkOnce(): Promise<readonly PartitionEnds[]> {
    try {
      const partitions = await ends();
      metrics.kafkaUp.set(1);
      for (const partition of partitions) show(partition);
      return partitions;
    } catch (error) {
      metrics.kafkaUp.set(0);
      throw error;
    }
  }

  function show({ partition, low, high, committed = low }: PartitionEnds): void {
    const now = clock();
    const seen = (marks.get(partition) ?? []).filter((mark) => mark.high > committed && mark.high <= high);
    if (seen.at(-1)?.high !== high && high > committed) seen.push({ time: now, high });
    marks.set(partition, seen.slice(-MAX_MARKS));
    const [oldest] = seen;
    metrics.consumerLag.set({ topic, partition: String(partition) }, Number(high > committed ? high - committed : 0n));
    const age = oldest === undefined ? 0 : Math.max(0, now - oldest.time) / 1000;
    metrics.consumerLagSeconds.set({ topic, partition: String(partition) }, age);
  }

  function check(): Promise<readonly PartitionEnds[]> {
    checking ??= checkOnce().finally(() => {
      checking = undefined;
    });
    return checking;
  }

  return {
    check,
    start(): void {
      timer ??= setInterval(() => void check().catch(() => undefined), everyMs).unref();
    },
    stop(): void {
      clearInterval(timer);
      timer = undefined;
    },
  };
}
