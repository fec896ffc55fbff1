import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { diskFileSystem } from '../src/disk/file-system.ts';
import { hourToIso, hourToPath, parseHour } from '../src/model/hour.ts';
import { EVENTS_STREAM } from '../src/model/stream.ts';
import { type QueryTexts, readRecordQuery } from '../src/query/query.ts';
import { createQueryRun } from '../src/query/run-query.ts';
import { damagedRange, openHour } from '../src/repo/hour-file.ts';
import { packHour } from '../src/repo/hour-packer.ts';
import type { CommittedHour } from '../src/repo/repo.ts';
import { median } from './statistics.ts';

/*
 * Measures queries over one hour on one core, in this process: bytes of plain lines a second, for the hour in its plain and in its
 * compressed form, beside `grep -F` and `zstdgrep -F` on the same files in the same run, and the time to the newest records. The hour is in the
 * page cache.
 *
 *   node bench/query.ts [--gb 1] [--rounds 3]
 */
const { values } = parseArgs({
  options: {
    gb: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
  },
});
const ROUNDS = Number(values.rounds);
const HOUR = parseHour('2025-11-22T15') ?? 0;
const RARE = 'order 4711-needle refused';

const folder = mkdtempSync(join(tmpdir(), 'logforge-bench-'));
try {
  const path = makeHour(Number(values.gb) * 1e9);
  const bytes = statSync(path).size;
  const at = { stream: 'events', hour: HOUR, bytes };
  const target = `${path}.zst`;
  const frames = await packHour({
    files: diskFileSystem,
    source: path,
    target,
    bytes,
    durable: false,
    pause: async () => {},
    signal: new AbortController().signal,
  });
  console.log(
    `one hour of ${(bytes / 1e9).toFixed(2)} GB, compressed ${(frames.length / 1e9).toFixed(2)} GB; MB/s of plain lines, median of ${ROUNDS}\n`,
  );
  // zstdgrep is a script: zstd and grep run side by side, on two cores.
  const tools = { plain: ['grep', path], compressed: ['zstdgrep', target] } as const;
  for (const [form, hour] of [
    ['plain', { ...at, path }],
    ['compressed', { ...at, path: target, frames }],
  ] as const) {
    const [tool, file] = tools[form];
    const grep = measure(() => spawnSync(tool, ['-F', '-c', RARE, file], { env: { ...process.env, LC_ALL: 'C' } }));
    row(`${form}: ${tool} -F, rare text`, bytes, grep);
    row(`${form}: contains, rare text`, bytes, time(hour, { contains: RARE }, 1));
    row(`${form}: contains, no hit`, bytes, time(hour, { contains: 'nowhere to be found' }, 0));
    row(`${form}: where, rare value`, bytes, time(hour, { where: ['service=rare'] }, 1));
    row(`${form}: where, value in every 9th`, bytes, time(hour, { where: ['level=ALERT'], limit: '10000000' }));
    row(`${form}: where level>=CRIT`, bytes, time(hour, { where: ['level>=CRIT'] }));
    row(`${form}: matches, rare`, bytes, time(hour, { matches: 'order [0-9]+-needle' }, 1));
    row(`${form}: all records`, bytes, time(hour, {}));
    for (const order of ['desc', 'asc'])
      console.log(
        `${form}: 100 records, ${order}`.padEnd(36),
        `${time(hour, { limit: '100', order }, 100).toFixed(1)} ms`,
      );
    console.log('');
  }
} finally {
  rmSync(folder, { recursive: true });
}

function row(name: string, bytes: number, ms: number): void {
  console.log(name.padEnd(36), String(Math.round(bytes / 1e3 / ms)).padStart(6));
}

/** Milliseconds of a whole query. */
function time(hour: CommittedHour, texts: QueryTexts, expected?: number): number {
  return measure(() => {
    const query = readRecordQuery({ stream: 'events', limit: 'all', ...texts }, 'ndjson');
    const run = createQueryRun(query, EVENTS_STREAM, { openHour, rangeOf: damagedRange });
    run.add([hour], true);
    let found = 0;
    for (;;) {
      const step = run.step();
      if (expected !== undefined) found += step.bytes.toString().split('\n').length - 1;
      if (step.state === 'done') break;
    }
    if (expected !== undefined && found !== expected) throw new Error(`expected ${expected} records, found ${found}`);
  });
}

function measure(work: () => unknown): number {
  const times = Array.from({ length: ROUNDS }, () => {
    const started = performance.now();
    work();
    return performance.now() - started;
  });
  return median(times);
}

/** An hour of events with one rare record in its middle. */
function makeHour(bytes: number): string {
  const { day, hh } = hourToPath(HOUR);
  const path = join(folder, 'events', day, `${hh}.log.json`);
  mkdirSync(dirname(path), { recursive: true });
  const levels = ['TRACE', 'DEBUG', 'INFO', 'NOTICE', 'WARN', 'ERROR', 'CRIT', 'ALERT', 'EMERG'];
  const time = hourToIso(HOUR).slice(0, -4);
  const lines = Array.from({ length: 100_000 }, (_, i) => {
    const second = String(i % 60).padStart(2, '0');
    const message = `request ${i} of customer ${(i * 7919) % 10_007} answered in ${i % 997} ms`;
    const extra = `,"host":"db-${i % 40}","status":${200 + (i % 300)},"traceId":"${(i * 2_654_435_761).toString(16)}"`;
    return `{"timestamp":"${time}:${second}.${i % 999}1Z","level":"${levels[i % 9]}","message":"${message}","service":"shop"${extra}}\n`;
  }).join('');
  const block = Buffer.from(lines);
  const rare = Buffer.from(
    `{"timestamp":"${time}:30Z","level":"INFO","message":"${RARE}","service":"rare","host":"db-1"}\n`,
  );
  const fd = openSync(path, 'w');
  const blocks = Math.max(1, Math.round(bytes / block.length));
  for (let i = 0; i < blocks; i++) {
    writeSync(fd, block);
    if (i === blocks >> 1) writeSync(fd, rare);
  }
  closeSync(fd);
  return path;
}
