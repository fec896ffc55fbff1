import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createMetrics } from '../metrics/metrics.ts';
import { createDiskWatch } from './disk-watch.ts';

/** A watch whose steps take a millisecond of a clock of its own, and whose pauses last until the test says so. */
async function makeWatch() {
  const root = await mkdtemp(join(tmpdir(), 'logforge-watch-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  for (const day of ['2015-05-17', '2015-05-18']) {
    await mkdir(join(root, 'logs', day), { recursive: true });
    await writeFile(join(root, 'logs', day, '10.log.json'), 'x'.repeat(50));
  }
  const folder = (name: string) => join(root, name);
  const folders = {
    logsDir: folder('logs'),
    analyticsDir: folder('analytics'),
    stateDir: folder('state'),
    dlqDir: folder('dlq'),
  };
  const metrics = createMetrics({ defaultMetrics: false });
  const warnings: string[] = [];
  const pauses: number[] = [];
  const waiting: { resolve: () => void; isSettled: boolean }[] = [];
  let ms = 0;
  const watch = createDiskWatch({
    folders,
    streams: ['access'],
    metrics,
    log: { warn: (message) => void warnings.push(message) },
    clock: () => 1,
    now: () => ms++,
    sleep: (pause, signal) => {
      pauses.push(pause);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const one = { resolve, isSettled: false };
      waiting.push(one);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      if (signal.aborted) reject(signal.reason);
      return promise.finally(() => {
        one.isSettled = true;
      });
    },
  });
  onTestFinished(() => watch.stop());
  /** Ends the pauses until one is long. */
  const walkOnce = async () => {
    for (let from = pauses.length; ; ) {
      await vi.waitFor(() => expect(pauses.length).toBeGreaterThan(from));
      if ((pauses.at(-1) ?? 0) >= 2_000) return;
      from = pauses.length;
      waiting.at(-1)?.resolve();
    }
  };
  return { watch, metrics, pauses, waiting, warnings, walkOnce, folders };
}

test('pauses fifty times as long as each step takes, and longer after a walk', async () => {
  const { watch, pauses, walkOnce } = await makeWatch();
  watch.start();
  await walkOnce();
  // After the folders, and after each day.
  expect(pauses).toEqual([50, 50, 50, 2_000]);
});

test('shows the figures after a whole walk as metrics', async () => {
  const { watch, metrics, walkOnce } = await makeWatch();
  watch.start();
  await walkOnce();
  const text = await metrics.registry.metrics();
  expect(text).toMatch(/^logforge_disk_bytes\{stream="access",form="plain"\} 100$/m);
  expect(text).toMatch(/^logforge_disk_bytes\{stream="access",form="zstd"\} 0$/m);
  expect(text).toMatch(/^logforge_disk_other_bytes\{what="dead_letters"\} 0$/m);
  expect((await watch.read('access')).days).toHaveLength(2);
});

test('stops at once in a pause', async () => {
  const { watch, pauses, waiting } = await makeWatch();
  watch.start();
  await vi.waitFor(() => expect(pauses).toHaveLength(1));
  await watch.stop();
  expect([pauses.length, waiting[0]?.isSettled]).toEqual([1, true]);
});

test('begins again after a folder that it cannot read', async () => {
  const { watch, warnings, waiting, folders, walkOnce } = await makeWatch();

  const { logsDir } = folders;
  await rm(logsDir, { recursive: true });
  await writeFile(logsDir, '');
  watch.start();
  await walkOnce();
  expect(warnings).toEqual(['cannot read how much is on disk; will retry']);
  await rm(logsDir);
  waiting.at(-1)?.resolve();
  await walkOnce();
  expect([warnings.length, (await watch.read('access')).walkedAt]).toEqual([1, 1]);
});
