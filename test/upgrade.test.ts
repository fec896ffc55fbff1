import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMetrics } from '../src/metrics/metrics.ts';
import { parseHour } from '../src/model/hour.ts';
import { createCollector, until, whileConsuming } from '../src/queue/collect.case.ts';
import { openSpool } from '../src/queue/spool/spool.ts';
import { openRepo } from '../src/repo/file-repo.ts';
import { createTestLog } from './support/queues.ts';

/*
 * testdata/upgrade was written by commit 586d8ff, by services that were killed (-9): one of version 1 that had started
 * twice, and one of version 2 without a broker. Of the zeros at the end of the journal 64 are left, and half a line was
 * added to the hour file 2025-11-22/10.
 */
const WRITTEN = new URL('../testdata/upgrade', import.meta.url).pathname;
/** Within the window of its idempotency keys. */
const NOW = Date.parse('2026-11-26T18:00:00Z');
const HOURS = ['2025-11-22T10', '2025-11-22T11', '2025-11-22T12', '2025-11-22T13', '2025-11-22T14', '2025-11-22T15'];

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'logforge-upgrade-'));
  await cp(WRITTEN, dir, { recursive: true });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function open() {
  const log = createTestLog();
  const repo = await openRepo({
    logsDir: join(dir, 'logs'),
    dlqDir: join(dir, 'dlq'),
    stateDir: join(dir, 'state'),
    durability: 'disk',
    idempotency: { windowMs: 86_400_000, maxKeys: 1000 },
    maxWaitMs: 60_000,
    metrics: createMetrics({ defaultMetrics: false }),
    log,
    clock: () => NOW,
  });
  return Object.assign(repo, { log });
}

describe('folders of the version before', () => {
  it('are read: journal, key file, hour files and dead letters', async () => {
    // As after a power cut: only the journal has these bytes.
    await writeFile(join(dir, 'logs/2025-11-22/15.log.json'), '');
    const repo = await open();
    expect(repo.log.entries).toEqual(['info cut off bytes that were not committed']);
    for (let k = 1; k <= 5; k++) expect(repo.idempotency.find(`key-${k}`)?.answer).toBe('{"accepted":2}');
    expect(repo.idempotency.size()).toBe(5);
    for (const text of [...HOURS, '2024-01-01T00']) {
      const hour = await repo.committedHour(parseHour(text) ?? Number.NaN);
      const lines = (await readFile(hour?.path ?? '', 'utf8')).split('\n');
      expect(lines.pop()).toBe('');
      expect(lines).toHaveLength(text.endsWith('T10') ? 5 : 1);
    }
    await repo.append([{ hour: parseHour('2024-01-01T00') ?? Number.NaN, count: 1, lines: Buffer.from('new\n') }], {
      deadLetters: [{ time: NOW, stage: 'ingest', reason: 'r', raw: '{}', source: 's' }],
    });
    await repo.close();
    expect(await readFile(join(dir, 'logs/2024-01-01/00.log.json'), 'utf8')).toMatch(/^\{.*\}\nnew\n$/);
    expect((await readFile(join(dir, 'dlq/2026-11-26.ndjson'), 'utf8')).split('\n')).toHaveLength(3);
    expect((await readdir(join(dir, 'state'))).filter((name) => name.endsWith('.log'))).toEqual([
      'journal-00000004.log',
      'keys-00000001.log',
      'keys-00000002.log',
    ]);
    const again = await open();
    expect([again.idempotency.size(), again.log.entries]).toEqual([5, []]);
    await again.close();
  });

  it('are read: the spool, whose batches come out in order', async () => {
    const metrics = createMetrics({ defaultMetrics: false });
    const log = createTestLog();
    const spool = await openSpool({ dir, maxBytes: 1_000_000, metrics, log });
    expect([spool.waiting(), log.entries]).toEqual([3, []]);
    const collector = createCollector();
    await whileConsuming(spool, collector, () => until(() => collector.ids().length >= 3, 'all batches'));
    expect(collector.ids().map((id) => id.split(':')[1])).toEqual(['0', '1', '2']);
    await spool.close();
  });
});
