/**
 * Compares two ways to write a commit: into the journal entry itself, or into its files, synced side by side. Both ways run
 * interleaved, for several sizes and numbers of files. The results are commits a second, medians. They are the reason for
 * INLINE in src/repo/committer-options.ts.
 *
 *   UV_THREADPOOL_SIZE=16 node bench/append.ts
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createLog } from '../src/log.ts';
import { createMetrics } from '../src/metrics/metrics.ts';
import type { Batch } from '../src/model/chunk.ts';
import { openRepo } from '../src/repo/file-repo.ts';

const { values } = parseArgs({
  options: { dir: { type: 'string', default: process.cwd() }, rounds: { type: 'string', default: '5' } },
});
const WAYS = {
  inline: { bytes: Number.MAX_SAFE_INTEGER, bytesPerFile: 0 },
  direct: { bytes: -1, bytesPerFile: 0 },
};
const SHAPES = [
  [1, 1],
  [1, 18],
  [1, 64],
  [1, 176],
  [1, 700],
  [8, 8],
  [8, 32],
  [64, 1],
  [64, 4],
  [64, 16],
] as const;
const MS = 400;

function makeBatch(files: number, kib: number): Batch {
  const lines = Buffer.alloc(kib * 1024, `${'x'.repeat(175)}\n`);
  lines[lines.length - 1] = 10;
  return Array.from({ length: files }, (_, i) => ({ stream: 'access', hour: 400_000 + i, count: 1, lines }));
}

async function measure(inline: (typeof WAYS)['inline'], batch: Batch): Promise<number> {
  const dir = await mkdtemp(join(values.dir, '.bench-append-'));
  const log = createLog({ level: 'error', format: 'json' });
  try {
    const repo = await openRepo({
      logsDir: join(dir, 'logs'),
      dlqDir: join(dir, 'dlq'),
      stateDir: join(dir, 'state'),
      durability: 'disk',
      idempotency: { windowMs: 1000, maxKeys: 1 },
      maxWaitMs: 60_000,
      metrics: createMetrics({ defaultMetrics: false }),
      log,
      inline,
    });
    await repo.append(batch);
    const start = performance.now();
    let commits = 0;
    for (; performance.now() - start < MS; commits++) await repo.append(batch);
    const rate = (commits * 1000) / (performance.now() - start);
    await repo.close();
    return rate;
  } finally {
    log.close();
    await rm(dir, { recursive: true, force: true });
  }
}

const median = (list: number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1] ?? 0;

console.log('| files × KiB | inline, commits/s | direct, commits/s | inline ÷ direct |\n|---|---|---|---|');
for (const [files, kib] of SHAPES) {
  const batch = makeBatch(files, kib);
  const rates = { inline: [] as number[], direct: [] as number[] };
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const way of ['inline', 'direct'] as const) rates[way].push(await measure(WAYS[way], batch));
  }
  const [inline, direct] = [median(rates.inline), median(rates.direct)];
  console.log(`| ${files} × ${kib} | ${inline.toFixed(0)} | ${direct.toFixed(0)} | ${(inline / direct).toFixed(2)} |`);
}
