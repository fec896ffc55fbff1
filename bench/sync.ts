/**
 * Measures syncs a second of small entries at the end of a file: when each makes the file longer, and when zeros were written
 * ahead, as the write-ahead logs do. The two run interleaved. The CPU time is that of this process.
 *
 *   node bench/sync.ts [--syncs 600] [--rounds 3] [--dir PATH]
 */
import { closeSync, fdatasync, fsyncSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { median } from './statistics.ts';

const sync = promisify(fdatasync);
const WAYS = ['longer', 'ahead'] as const;
const SIZES = [300, 3_000, 18_000];

const { values: flags } = parseArgs({
  options: {
    syncs: { type: 'string', default: '600' },
    rounds: { type: 'string', default: '3' },
    dir: { type: 'string', default: tmpdir() },
  },
});
const syncs = Number(flags.syncs);

async function measure(way: (typeof WAYS)[number], size: number): Promise<{ perSecond: number; cpuUs: number }> {
  const path = join(flags.dir, `logforge-sync-${process.pid}`);
  const fd = openSync(path, 'w+');
  try {
    if (way === 'ahead') {
      writeSync(fd, Buffer.alloc(syncs * size), 0, syncs * size, 0);
      fsyncSync(fd);
    }
    const entry = Buffer.alloc(size, 'x');
    const cpu = process.cpuUsage();
    const start = performance.now();
    for (let i = 0; i < syncs; i++) {
      writeSync(fd, entry, 0, size, i * size);
      await sync(fd);
    }
    const seconds = (performance.now() - start) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    return { perSecond: syncs / seconds, cpuUs: (user + system) / syncs };
  } finally {
    closeSync(fd);
    unlinkSync(path);
  }
}

for (const size of SIZES) {
  const results = new Map(WAYS.map((way) => [way, [] as Awaited<ReturnType<typeof measure>>[]]));
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [way, measured] of results) measured.push(await measure(way, size));
  }
  for (const [way, measured] of results) {
    const perSecond = median(measured.map((one) => one.perSecond));
    const cpuUs = median(measured.map((one) => one.cpuUs));
    console.log(
      `${String(size).padStart(6)} bytes ${way.padEnd(7)} ${perSecond.toFixed(0).padStart(6)} syncs/s ${cpuUs.toFixed(0).padStart(5)} us CPU`,
    );
  }
}
