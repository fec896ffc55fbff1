/**
 * Measures whether the p99 of POST /logs rises while an hour of a gigabyte is summarised. It puts a steady load on the real
 * service, and compares the time before the summary, during it and after it. Each round has its own hour.
 *
 *   node bench/summarise-p99.ts [--rounds 5] [--megabytes 1000] [--rate 50000] [--durability disk]
 */
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { inBatches, makeRecords, toJson, toNdjson } from '../test/support/access-records.ts';
import { makeDirs, removeDirs, startService } from '../test/support/service.ts';
import { type LoadOptions, runLoad } from './load.ts';
import { median } from './statistics.ts';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '50000' },
    durability: { type: 'string', default: 'disk' },
    dir: { type: 'string', default: tmpdir() },
  },
});
const KEY = 'summarise-p99-bench-key';
const HEADERS = { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/x-ndjson' };
const BATCH = 100;
/** Length of each measured time; shorter than a summary of the hour. */
const MEASURED_MS = Number(flags.megabytes) * 0.9;
/** Pause after the hour was written, so that the disk is idle. */
const REST_MS = 2_000;

const dirs = await makeDirs('logforge-bench-', flags.dir);
const service = await startService({
  dirs,
  env: {
    LOGFORGE_STORAGE_DURABILITY: flags.durability,
    LOGFORGE_AGGREGATION_INTERVAL: '1h',
    LOGFORGE_AUTH_ENABLED: 'true',
    LOGFORGE_AUTH_KEYS: KEY,
  },
});
const load: LoadOptions = {
  port: service.port,
  connections: 16,
  pipelining: 64,
  warmUpMs: 300,
  durationMs: MEASURED_MS,
  requestsPerSecond: Number(flags.rate) / BATCH,
};
const requests = inBatches(makeRecords(60_000), BATCH).map((records) => {
  const body = toJson(records);
  const head = `POST /logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${KEY}\r\n`;
  return Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`), body]);
});

try {
  await aggregate();
  const p99s = { before: [] as number[], during: [] as number[], after: [] as number[] };
  const ratios: number[] = [];
  for (let round = 1; round <= Number(flags.rounds); round++) {
    await writeHour(400_000 + round);
    const before = await measure();
    let isOver = false;
    const summary = aggregate().finally(() => {
      isOver = true;
    });
    const during = await measure();
    const isShort = isOver;
    const seconds = await summary;
    const after = await measure();
    for (const [name, p99] of Object.entries({ before, during, after })) p99s[name as keyof typeof p99s].push(p99);
    ratios.push(during / ((before + after) / 2));
    const times = [before, during, after].map((p99) => p99.toFixed(1)).join(', ');
    const note = isShort ? ': it ended before the measured time' : '';
    console.log(
      `${round}: p99 ${times} ms before, during and after the summary of the hour, which took ${seconds.toFixed(1)} s${note}`,
    );
  }
  const medians = Object.values(p99s).map((list) => median(list).toFixed(1));
  console.log(
    `medians ${medians.join(', ')} ms; median of during ÷ mean of before and after ${median(ratios).toFixed(2)}`,
  );
} finally {
  await service.stop('SIGKILL');
  await removeDirs(dirs);
}

/** The p99 of a steady load, ms. */
async function measure(): Promise<number> {
  return (await runLoad(requests, load)).latencyMs.p99;
}

async function writeHour(hour: number): Promise<void> {
  const body = toNdjson(makeRecords(40_000, { lastHour: hour }));
  for (let bytes = 0; bytes < Number(flags.megabytes) * 1e6; bytes += body.length) {
    const answer = await fetch(`${service.url}/logs`, { method: 'POST', headers: HEADERS, body });
    if (answer.status !== 202) throw new Error(`the hour cannot be written: ${answer.status} ${await answer.text()}`);
    await answer.text();
  }
  spawnSync('sync');
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
}

/** Brings all summaries up to date. Returns the time in seconds. */
async function aggregate(): Promise<number> {
  const started = performance.now();
  const answer = await fetch(`${service.url}/admin/aggregate`, { method: 'POST', headers: HEADERS });
  if (answer.status !== 200) throw new Error(`cannot aggregate: ${answer.status} ${await answer.text()}`);
  await answer.text();
  return (performance.now() - started) / 1000;
}
