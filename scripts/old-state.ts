import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { freePort } from '../test/support/broker-process.ts';
import {
  DIRECT_BATCHES,
  linesByHour,
  OLD_STATE,
  type OldBatch,
  type OldState,
  requestOf,
  SPOOLED_BATCHES,
} from '../test/support/old-state.ts';
import { type Dirs, makeDirs, removeDirs, serviceEnv } from '../test/support/service.ts';
import { eventually, readSummaries } from '../test/support/storage.ts';

/*
 * Makes testdata/state-1.0.0 with the program of another checkout: node scripts/old-state.ts CHECKOUT. The README of
 * that folder says of which commit.
 */

/** The clock of the program starts in 2100: idempotency keys count for a year at most, and the test must still find them. */
const CLOCK = 'const now = Date.now, ahead = Date.UTC(2100, 0, 1) - now(); Date.now = () => now() + ahead;';
/** Larger files hold mostly zeros or one repeated text. */
const GZIP_FROM_BYTES = 16 * 1024;

interface Run {
  readonly batches: readonly OldBatch[];
  readonly env: Readonly<Record<string, string>>;
  readonly signal: 'SIGKILL' | 'SIGTERM';
  /** Passes when the service may be ended. */
  readonly check?: (dirs: Dirs) => Promise<void>;
}

/** Starts the old program, sends the batches one after the other, and ends it. */
async function run(dirs: Dirs, { batches, env, signal, check }: Run): Promise<void> {
  const port = await freePort();
  const preload = `--import=data:text/javascript,${encodeURIComponent(CLOCK)}`;
  const child = spawn(join(checkout, 'bin/logforge'), ['serve', '--addr', `127.0.0.1:${port}`], {
    cwd: dirs.root,
    env: { ...serviceEnv(dirs, env), NODE_OPTIONS: preload },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  const url = `http://127.0.0.1:${port}`;
  try {
    await eventually(async () => void (await fetch(`${url}/health`)));
    for (const batch of batches) {
      const { body, path, headers } = requestOf(batch);
      const response = await fetch(`${url}${path}`, { method: 'POST', body, headers });
      if (response.status !== 202) throw new Error(`cannot send a batch: ${response.status} ${await response.text()}`);
    }
    if (check !== undefined) await eventually(() => check(dirs));
  } finally {
    child.kill(signal);
    await exited;
  }
}

async function make(name: OldState, fill: (dirs: Dirs) => Promise<void>): Promise<void> {
  const dirs = await makeDirs();
  try {
    await fill(dirs);
    await keep(dirs, join(OLD_STATE, name));
  } finally {
    await removeDirs(dirs);
  }
}

/** Copies the files, large ones compressed, lock files left out. */
async function keep(dirs: Dirs, target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  await cp(dirs.root, target, { recursive: true, filter: (path) => !path.includes('.logforge.lock') });
  for (const entry of await readdir(target, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path);
    if (bytes.length < GZIP_FROM_BYTES) continue;
    await writeFile(`${path}.gz`, gzipSync(bytes, { level: 9 }));
    await rm(path);
  }
}

/** Overwrites the zeros after the last entry of a journal segment, as an entry does that a crash cuts short. */
async function writeAfterLastEntry(path: string, text: string): Promise<void> {
  const bytes = await readFile(path);
  let end = bytes.length;
  while (bytes[end - 1] === 0) end--;
  bytes.write(text, end, 'latin1');
  await writeFile(path, bytes);
}

async function checkSummaries(dirs: Dirs): Promise<void> {
  const summaries = await readSummaries(dirs);
  for (const [hour, lines] of linesByHour(DIRECT_BATCHES)) {
    const total = summaries.get(`${hour}:00:00Z`)?.totalRequests;
    if (total !== lines.length) throw new Error(`the summary of ${hour} counts ${total} of ${lines.length} records`);
  }
}

const checkout = resolve(process.argv[2] ?? '.');

await make('killed', async (dirs) => {
  const env = { LOGFORGE_AGGREGATION_ENABLED: 'false' };
  await run(dirs, { batches: DIRECT_BATCHES, env, signal: 'SIGKILL' });
  // A commit that the crash cut short: bytes beyond the committed length of an hour file, and half a journal entry.
  await appendFile(join(dirs.logs, '2015-05-17/10.log.json'), '{"timestamp":"2015-05-17T10:59:59Z","path":"/unfin');
  await writeAfterLastEntry(
    join(dirs.state, 'journal-00000001.log'),
    '\x60\0\0\0\x12\x34\x56\x78\x30\0\0\0{"seq":8,"fil',
  );
  // Pages of an hour file that the kernel had not written when the power failed. The journal still holds them.
  await truncate(join(dirs.logs, '2015-05-18/00.log.json'), 10);
});

await make('stopped', async (dirs) => {
  const env = { LOGFORGE_AGGREGATION_INTERVAL: '100ms' };
  await run(dirs, { batches: DIRECT_BATCHES, env, signal: 'SIGTERM', check: checkSummaries });
  // The second start moves the keys of the first journal segment to a file of their own.
  await run(dirs, { batches: [], env, signal: 'SIGTERM' });
});

await make('spool', async (dirs) => {
  const env = { LOGFORGE_VERSION: '2', LOGFORGE_KAFKA_BROKERS: '127.0.0.1:1' };
  await run(dirs, { batches: SPOOLED_BATCHES, env, signal: 'SIGKILL' });
  const spool = join(dirs.state, 'spool');
  const [segment = ''] = (await readdir(spool)).filter((name) => name.endsWith('.spool'));
  // An append that the crash cut short.
  await appendFile(join(spool, segment), Buffer.from('\x60\0\0\0\x12\x34\x56\x78\x30\0\0\0{"id":"unfin', 'latin1'));
});
