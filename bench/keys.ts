/**
 * Measures what remembered idempotency keys cost: the memory of a service that has just started on them, and the time
 * of that start. First it makes a state folder with the keys. Then a process of its own opens the folder.
 *
 *   node bench/keys.ts                       a million ordinary keys
 *   node bench/keys.ts --long                the same, each with an answer of 13.7 KB that lists 100 rejected records
 *   node bench/keys.ts --keys 100000 --heap 256
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createLog } from '../src/log.ts';
import { createMetrics } from '../src/metrics/metrics.ts';
import type { IdempotencyNote } from '../src/model/deliver.ts';
import { openRepo } from '../src/repo/file-repo.ts';
import type { Repo } from '../src/repo/repo.ts';

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    long: { type: 'boolean', default: false },
    /** Limit of the measured process's heap, in MB. */
    heap: { type: 'string', default: '256' },
    open: { type: 'string' },
  },
});
const KEYS = Number(values.keys);
const KEYS_PER_COMMIT = values.long ? 500 : 10_000;

function open(dir: string): Promise<Repo> {
  return openRepo({
    logsDir: join(dir, 'logs'),
    dlqDir: join(dir, 'dlq'),
    stateDir: join(dir, 'state'),
    durability: 'os',
    idempotency: { windowMs: 24 * 3_600_000, maxKeys: KEYS },
    maxWaitMs: 60_000,
    metrics: createMetrics({ defaultMetrics: false }),
    log: createLog({ level: 'error', format: 'json' }),
  });
}

const REASON = 'the timestamp is neither RFC 3339 nor one of the other forms that are supported: "';
const ERRORS = Array.from({ length: 100 }, (_, index) => ({ index, field: 'timestamp', reason: `${REASON}${index}"` }));
const LONG = JSON.stringify({ accepted: 1, rejected: 100, errors: ERRORS });

async function fill(dir: string): Promise<void> {
  const repo = await open(dir);
  for (let first = 0; first < KEYS; first += KEYS_PER_COMMIT) {
    const count = Math.min(KEYS_PER_COMMIT, KEYS - first);
    const keys = Array.from({ length: count }, (_, i): IdempotencyNote => {
      const bodyHash = (first + i).toString(16).padStart(32, '0');
      const answer = values.long ? LONG : `{"accepted":${1 + (i % 1000)}}`;
      return {
        key: `nightly-2025-11-22-part-${first + i}`,
        bodyHash,
        answer,
        time: Date.now(),
        owner: '0123456789abcdef',
      };
    });
    await repo.append([], { keys });
  }
  await repo.close();
}

function memory(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1e6;
}

async function measure(dir: string): Promise<void> {
  const before = memory();
  const started = performance.now();
  const cpu = process.cpuUsage();
  const repo = await open(dir);
  const startMs = Math.round(performance.now() - started);
  const { user, system } = process.cpuUsage(cpu);
  const keys = repo.idempotency.size();
  console.log(
    JSON.stringify({
      keys,
      startMs,
      cpuMs: Math.round((user + system) / 1000),
      megabytes: Math.round(memory() - before),
    }),
  );
  await repo.close();
}

if (values.open === undefined) {
  const dir = await mkdtemp(join(tmpdir(), 'logforge-bench-keys-'));
  try {
    await fill(dir);
    const node = ['--expose-gc', `--max-old-space-size=${values.heap}`];
    const { status } = spawnSync(
      process.execPath,
      [...node, import.meta.filename, '--keys', values.keys, '--open', dir],
      {
        stdio: 'inherit',
      },
    );
    process.exitCode = status ?? 1;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
} else {
  await measure(values.open);
}
