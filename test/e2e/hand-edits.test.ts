import { appendFile, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../support/client.ts';
import { type Dirs, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readRecords, readSummaries, type StoredSummary } from '../support/storage.ts';

const ENV = { LOGFORGE_AGGREGATION_INTERVAL: '100ms' };
const HOUR = '2015-05-17T10:00:00Z';

let dirs: Dirs;
let hourFile: string;
let service: Service | undefined;

beforeEach(async () => {
  dirs = await makeDirs();
  hourFile = join(dirs.logs, '2015-05-17', '10.log.json');
  service = await startService({ dirs, env: ENV });
});
afterEach(async () => {
  await service?.stop();
  await removeDirs(dirs);
});

async function store(path: string, count: number): Promise<void> {
  const client = createClient(service?.port ?? 0);
  const record = { timestamp: '2015-05-17T10:00:00Z', path, userAgent: 'a' };
  const { status } = await client.post(JSON.stringify(Array(count).fill(record)));
  client.close();
  expect(status).toBe(202);
}

async function restart(change: () => Promise<void>): Promise<Service> {
  expect(await service?.stop()).toEqual({ code: 0, signal: null });
  await change();
  service = await startService({ dirs, env: ENV });
  return service;
}

async function summaryWith(check: (summary: StoredSummary | undefined) => void): Promise<void> {
  await eventually(async () => check((await readSummaries(dirs)).get(HOUR)));
}

/** The hour goes on being stored and summarised: what is in the file is what the summary says. */
async function expectInOrder(perPath: Record<string, number>): Promise<void> {
  await summaryWith((summary) => expect(summary?.requestsPerPath).toEqual(perPath));
  const counts: Record<string, number> = {};
  for (const { path } of await readRecords(dirs)) counts[String(path)] = (counts[String(path)] ?? 0) + 1;
  expect(counts).toEqual(perPath);
}

describe('an hour file changed by hand between two runs', () => {
  beforeEach(async () => {
    await store('/before', 5);
    await summaryWith((summary) => expect(summary?.totalRequests).toBe(5));
  });

  it('goes on where it was when nothing was changed', async () => {
    await restart(async () => {});
    await store('/after', 2);
    await expectInOrder({ '/before': 5, '/after': 2 });
  });

  it('shortened to whole lines: said, and gone on from there', async () => {
    const { logs } = await restart(async () => {
      const text = await readFile(hourFile, 'utf8');
      await truncate(hourFile, text.indexOf('\n') + 1);
    });
    expect(logs()).toContain('shorter than committed');
    await store('/after', 2);
    await expectInOrder({ '/before': 1, '/after': 2 });
  });

  it('shortened to half a line: no new line is joined to it', async () => {
    const { logs } = await restart(async () => {
      const text = await readFile(hourFile, 'utf8');
      await truncate(hourFile, text.indexOf('\n') + 10);
    });
    expect(logs()).toContain('shorter than committed');
    await store('/after', 2);
    await summaryWith((summary) => expect(summary?.requestsPerPath).toEqual({ '/before': 1, '/after': 2 }));
    const lines = (await readFile(hourFile, 'utf8')).trimEnd().split('\n');
    expect(lines.filter((line) => line.includes('/after')).map((line) => JSON.parse(line).path)).toEqual([
      '/after',
      '/after',
    ]);
  });

  it('deleted: logged, and started again', async () => {
    const { logs } = await restart(() => rm(hourFile));
    expect(logs()).toContain('shorter than committed');
    await store('/after', 2);
    await eventually(async () => {
      expect((await readRecords(dirs)).map(({ path }) => path)).toEqual(['/after', '/after']);
      const summary = (await readSummaries(dirs)).get(HOUR);
      expect(summary?.requestsPerPath).toEqual({ '/after': 2 });
    });
  });

  it('with lines added behind: what was not committed does not count', async () => {
    await restart(async () => {
      await appendFile(hourFile, `${await readFile(hourFile, 'utf8')}half a li`);
    });
    await store('/after', 2);
    await expectInOrder({ '/before': 5, '/after': 2 });
  });

  it('with a line spoilt in place: the others go on', async () => {
    await restart(async () => {
      const text = await readFile(hourFile, 'utf8');
      await writeFile(hourFile, text.replace('{"timestamp"', 'x"timestamp"'));
    });
    await store('/after', 2);
    await summaryWith((summary) => expect(summary?.requestsPerPath['/after']).toBe(2));
  });
});

describe('a summary changed by hand between two runs', () => {
  it.each([
    ['deleted', (path: string) => rm(path)],
    ['spoilt', (path: string) => writeFile(path, '{"hour":')],
    ['emptied', (path: string) => writeFile(path, '')],
  ])('%s: is made again with the next record', async (_name, change) => {
    await store('/before', 5);
    await summaryWith((summary) => expect(summary?.totalRequests).toBe(5));
    await restart(() => change(join(dirs.analytics, '2015-05-17', 'summary_10.json')));
    await store('/after', 2);
    await expectInOrder({ '/before': 5, '/after': 2 });
  });
});

describe('the journal', () => {
  it('cut off: what it still says counts, and the service goes on', async () => {
    for (let i = 0; i < 5; i++) await store(`/${i}`, 3);
    await restart(async () => {
      for (const name of await readdir(dirs.state)) {
        if (!name.startsWith('journal')) continue;
        const bytes = await readFile(join(dirs.state, name));
        await writeFile(join(dirs.state, name), bytes.subarray(0, bytes.length - 7));
      }
    });
    await store('/after', 2);
    const records = await readRecords(dirs);
    expect(records.filter(({ path }) => path === '/after')).toHaveLength(2);
  });
});
