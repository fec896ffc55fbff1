import { readdirSync } from 'node:fs';
import type { Live } from '../live/live.ts';
import { metricLine } from '../live/service-stats.ts';
import type { Log } from '../log.ts';

/** The live figures come once a second. */
const TICK_MS = 1_000;

/** Logs the live figures as one line, every `intervalMs`, until the live figures end. `threads`: those that read requests. */
export function startStatsLog({
  live,
  intervalMs,
  threads,
  log,
}: {
  readonly live: Pick<Live, 'subscribe'>;
  readonly intervalMs: number;
  readonly threads: number;
  readonly log: Pick<Log, 'info'>;
}): void {
  const every = Math.max(1, Math.round(intervalMs / TICK_MS));
  let maxQueue = 0;
  let ticks = 0;
  live.subscribe((event) => {
    if (event.kind !== 'stats') return;
    maxQueue = Math.max(maxQueue, event.stats.inFlightRecords);
    ticks += 1;
    if (ticks % every !== 0) return;
    const { message, fields } = metricLine(event.stats, { maxQueue, threads: countThreads() ?? threads + 1 });
    log.info(message, { ...fields, fold: false });
  });
}

/** Threads of this process; undefined where there is no /proc. */
function countThreads(): number | undefined {
  try {
    return readdirSync('/proc/self/task').length;
  } catch {
    return undefined;
  }
}
