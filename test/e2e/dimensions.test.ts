import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createClient } from '../support/client.ts';
import { type Dirs, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually } from '../support/storage.ts';

let dirs: Dirs;
let service: Service;
beforeEach(async () => {
  dirs = await makeDirs();
});
afterEach(async () => {
  await service.stop('SIGKILL');
  await removeDirs(dirs);
});

const HOURS = 60;
const hourOf = (i: number) => new Date(Date.UTC(2025, 10, 20, i)).toISOString().slice(0, 13);

async function start(countBy: string): Promise<void> {
  const config = join(dirs.root, 'logforge.yaml');
  await writeFile(config, `streams:\n  - name: tasks\n    required: [task]\n    countBy: [${countBy}]\n`);
  service = await startService({
    dirs,
    args: ['--config', config],
    env: { LOGFORGE_AGGREGATION_INTERVAL: '1s', LOGFORGE_INGESTION_MAX_HOURS_PER_BATCH: String(HOURS) },
  });
}

/** The summary of an hour, from its file. */
async function summaryOf(i: number): Promise<{ totalRecords: number; counts: Record<string, Record<string, number>> }> {
  const hour = hourOf(i);
  const path = join(dirs.analytics, 'tasks', hour.slice(0, 10), `summary_${hour.slice(11)}.json`);
  return JSON.parse(await readFile(path, 'utf8'));
}

async function post(): Promise<void> {
  const client = createClient(service.port);
  const records = Array.from({ length: HOURS * 2 }, (_, i) => ({
    timestamp: `${hourOf(i % HOURS)}:30:00Z`,
    task: 'build',
    user: i < HOURS ? 'ann' : 7,
  }));
  expect((await client.post(JSON.stringify(records), {}, '/logs/tasks')).status).toBe(202);
  client.close();
}

async function countsOfAll(): Promise<unknown[]> {
  const all = await Promise.all(Array.from({ length: HOURS }, (_, i) => summaryOf(i)));
  return [...new Set(all.map(({ counts }) => JSON.stringify(counts)))];
}

it('the hours of a stream are summarised again by new dimensions, though the service is killed meanwhile', async () => {
  await start('task');
  await post();
  await eventually(async () => expect(await countsOfAll()).toEqual(['{"task":{"build":2}}']));
  await service.stop('SIGKILL');

  await start('user, task');
  // As soon as the newest hour has them.
  await eventually(async () => expect(Object.keys((await summaryOf(HOURS - 1)).counts)).toEqual(['user', 'task']));
  await service.stop('SIGKILL');
  expect((await summaryOf(0)).totalRecords).toBe(2);

  await start('user, task');
  // New records do not wait for it.
  await post();
  await eventually(async () => expect(await countsOfAll()).toEqual(['{"user":{"7":2,"ann":2},"task":{"build":4}}']));
  await eventually(async () => {
    const note = await readFile(join(dirs.analytics, 'tasks', '.dimensions.json'), 'utf8');
    expect(note).toBe('{"countBy":["user","task"]}');
  });
  const client = createClient(service.port);
  const { status, body } = await client.get(`/analytics?stream=tasks&from=${hourOf(0)}&to=${hourOf(HOURS)}&top=1`);
  client.close();
  expect([status, JSON.parse(body)]).toEqual([
    200,
    expect.objectContaining({
      hours: HOURS,
      totalRecords: 4 * HOURS,
      counts: { user: { '7': 2 * HOURS }, task: { build: 4 * HOURS } },
      other: { user: 2 * HOURS, task: 0 },
    }),
  ]);
});
