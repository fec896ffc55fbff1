import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DamagedFiles } from '../../src/disk/damaged-files.ts';
import { openCheckpoint } from '../../src/inputs/files/checkpoint.ts';
import { lookAt } from '../../src/inputs/files/identity.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { hourToPath, parseHour } from '../../src/model/hour.ts';
import { openRepo } from '../../src/repo/file-repo.ts';
import { createSummaryFiles } from '../../src/repo/summaries.ts';
import { lineOf } from './lines.ts';
import { keepLog, makeTemporaryFolder } from './temporary.ts';

// Writes testdata/fuzz-store again, where the forms of files have changed: `node test/fuzz/build-store.ts`. It is the store of a service that
// was killed, with one file of each kind. It is kept, because its random name would make other inputs of one seed in each run.

export const STORE = join(import.meta.dirname, '../../testdata/fuzz-store');
/** Of the lines in the store, from 0. */
export const LINES = 24;
export const HOURS = ['2025-11-22T10', '2025-11-22T11'].map((text) => parseHour(text) ?? 0);
export const LOG_CONTENT = 'a line of a log\n'.repeat(100);
/** Stands in the checkpoint for the path of the log file. */
export const LOG_PLACE = '@LOG@';

export function foldersOf(dir: string) {
  return {
    logsDir: join(dir, 'logs'),
    dlqDir: join(dir, 'dlq'),
    stateDir: join(dir, 'state'),
    analyticsDir: join(dir, 'analytics'),
  };
}

export function openStore(dir: string) {
  const { log, said } = keepLog();
  const opening = openRepo({
    ...foldersOf(dir),
    durability: 'os',
    idempotency: { windowMs: 1e12, maxKeys: 1_000 },
    maxWaitMs: 60_000,
    metrics: createMetrics({ defaultMetrics: false }),
    log,
    inline: { bytes: 1_500, bytesPerFile: 0 },
    segmentBytes: 3_000,
  });
  return { opening, said };
}

async function build(): Promise<void> {
  const dir = makeTemporaryFolder('build');
  const repo = await openStore(dir).opening;
  for (let id = 0; id < LINES; id++) {
    const batch = [{ stream: 'access', hour: HOURS[id % 2] ?? 0, count: 1, lines: Buffer.from(lineOf(id)) }];
    const letter = {
      time: 1_763_800_000_000,
      stage: 'ingest',
      reason: `record ${id} missing path`,
      raw: `{"id":${id}}`,
      source: 'r-1',
    } as const;
    const answer = JSON.stringify({
      accepted: 1,
      rejected: 1,
      errors: [{ index: id, field: 'path', reason: letter.reason }],
    });
    await repo.append(batch, {
      idempotency: { key: `k${id}`, bodyHash: 'h', answer, time: Date.now() },
      offsets: [{ topic: 'logs', partition: 0, next: String(id + 1) }],
      batchIds: [`p:${id}`],
      ...(id % 4 === 0 && { deadLetters: [letter] }),
    });
  }
  const { analyticsDir, stateDir } = foldersOf(dir);
  for (const hour of HOURS) {
    const { day, hh } = hourToPath(hour);
    const records = LINES / 2;
    const counts = new Map([['/a', records]]);
    const { size } = statSync(join(dir, 'logs', day, `${hh}.log.json`));
    const source = { bytes: size, records, skippedLines: 0 };
    createSummaryFiles({ analyticsDir, durability: 'os' }).write({
      stream: 'access',
      hour,
      total: records,
      dimensions: ['path', 'userAgent'].map((name) => ({ name, counts, other: 0 })),
      source,
    });
  }
  await new DamagedFiles(stateDir).note({
    kind: 'journal',
    file: '/x/journal-00000001.log',
    offset: 8,
    bytes: 4,
    reason: 'damaged',
    time: '2025-11-22T10:00:00Z',
  });
  const log = join(dir, 'access.log');
  writeFileSync(log, LOG_CONTENT);
  await buildCheckpoint(join(dir, 'checkpoint'), log);
  rmSync(STORE, { recursive: true, force: true });
  // The number of the newest commit is written up to 50 ms later.
  await waitUntil(() => Date.now() - statSync(join(dir, 'logs/.logforge.seq')).mtimeMs > 200);
  // Before the close, so that it is the store of a process that was killed.
  for (const name of ['logs', 'dlq', 'state', 'analytics', 'checkpoint'])
    cpSync(join(dir, name), join(STORE, name), { recursive: true });
  for (const name of storeFiles()) {
    if (name.endsWith('.logforge.lock')) rmSync(join(STORE, name));
    // The zeros that are written ahead.
    else if (name.includes('journal-'))
      writeFileSync(join(STORE, name), readFileSync(join(STORE, name)).subarray(0, 20_000));
  }
  await repo.close();
}

/** Of the log file, which stands in it as LOG_PLACE. `checkpoint.json` beside it is of version 1, which nothing writes any more. */
async function buildCheckpoint(path: string, log: string): Promise<void> {
  const checkpoint = await openCheckpoint(path, { stream: 'access', warn: () => undefined });
  const seen = await lookAt(log);
  if (seen === undefined) throw new Error('the store has no log');
  const known = await checkpoint.identify(seen);
  if (typeof known === 'string') throw new Error(`the log of the store is ${known}`);
  await checkpoint.note(known.id, { from: 160, to: 320 });
  await checkpoint.commit(known.id, { offset: 160, number: 10, state: '' }, 'text');
  await checkpoint.close();
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll(log, LOG_PLACE));
}

async function waitUntil(isDone: () => boolean): Promise<void> {
  const until = performance.now() + 10_000;
  while (!isDone()) {
    if (performance.now() > until)
      throw new Error('cannot build the store: the number of the newest commit is not written');
    await sleep(10);
  }
}

/** The files of the store, relative to it. */
export function storeFiles(): readonly string[] {
  return readdirSync(STORE, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(STORE, name)).isFile())
    .sort();
}

if (import.meta.main) await build();
