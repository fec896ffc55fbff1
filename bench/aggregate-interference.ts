import { appendFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { createSummariserThread } from '../src/service/summarise-thread.ts';
import { makeRecords, toNdjson } from './records.ts';

/*
 * Whether the event loop feels that a large hour is summarised: its delay (1 ms is the timer's own) while nothing else
 * goes on, and while the aggregator's thread counts the hour, over and over.
 *
 *   node bench/aggregate-interference.ts [MB of the hour] [seconds]
 */
const [megabytes = 1000, seconds = 8] = process.argv.slice(2).map(Number);

const folder = mkdtempSync(join(tmpdir(), 'logforge-bench-'));
const thread = createSummariserThread({
  entry: new URL('../src/aggregate-worker.ts', import.meta.url),
  workerData: { analyticsDir: join(folder, 'analytics'), durability: 'disk' },
});
try {
  const path = join(folder, '10.log.json');
  const lines = toNdjson(makeRecords(100_000));
  const bytes = (): number => statSync(path).size;
  do appendFileSync(path, lines);
  while (bytes() < megabytes * 1e6);
  const committed = { hour: 397_714, path, bytes: bytes() };

  console.log('event loop delay, ms              p50    p99   p99.9    max');
  await report('nothing else', () => wait(seconds * 1000));
  const before = performance.now();
  let passes = 0;
  await report(`${megabytes} MB hour being summarised`, async () => {
    do {
      await thread.summarise(committed, { rebuild: true });
      passes += 1;
    } while (performance.now() - before < seconds * 1000);
  });
  const perPass = (performance.now() - before) / passes;
  console.log(`the hour took ${(perPass / 1000).toFixed(2)} s (${(committed.bytes / perPass / 1000).toFixed(0)} MB/s)`);
} finally {
  await thread.stop();
  rmSync(folder, { recursive: true });
}

async function report(name: string, action: () => Promise<unknown>): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await action();
  delay.disable();
  const [p50, p99, p999, max] = [50, 99, 99.9, 100].map((p) => (delay.percentile(p) / 1e6).toFixed(2).padStart(6));
  console.log(`${name.padEnd(30)} ${p50} ${p99}  ${p999} ${max}`);
}
