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

const TARGETS = ['?hour=2015-05-17T10', '?hour=2015-05-17T10&top=1', '?from=2015-05-17T00&to=2015-05-18T00'];

it.each([
  '1',
  '2',
])('a damaged summary is never served, and the next run counts its hour again: %s threads', async (threads) => {
  // The run is asked for, so that the test knows when it comes.
  service = await startService({
    dirs,
    env: {
      LOGFORGE_AGGREGATION_INTERVAL: '24h',
      LOGFORGE_SERVER_THREADS: threads,
      LOGFORGE_AUTH_ENABLED: 'true',
      LOGFORGE_AUTH_KEYS: 'k',
    },
  });
  const headers = { 'X-API-Key': 'k' };
  const aggregate = () => fetch(`${service.url}/admin/aggregate`, { method: 'POST', headers });
  const client = createClient(service.port);
  const record = { timestamp: '2015-05-17T10:00:00Z', path: '/path', userAgent: 'a' };
  expect((await client.post(JSON.stringify(Array(3).fill(record)), { 'X-API-Key': 'k' })).status).toBe(202);
  client.close();
  await aggregate();
  // Once more: settles the summary, so that the hour is at rest.
  await aggregate();
  const path = join(dirs.analytics, '2015-05-17', 'summary_10.json');
  const good = await readFile(path, 'utf8');

  for (const bad of [
    good.slice(0, good.length / 2),
    '',
    'rubbish',
    good.replace('T10', 'T11'),
    good.replace('/path', '/patj'),
  ]) {
    await writeFile(path, bad);
    for (const target of TARGETS) {
      const answer = await fetch(`${service.url}/analytics${target}`, { headers });
      const { type, detail } = (await answer.json()) as { type: string; detail: string };
      expect([answer.status, type, answer.headers.get('retry-after')]).toEqual([
        503,
        'urn:logforge:problem:unavailable',
        '30',
      ]);
      expect(detail).toContain('the summary of 2015-05-17T10:00:00Z is damaged');
    }
    const run = (await (await aggregate()).json()) as object;
    expect(run).toMatchObject({ written: 1, records: 3 });
    expect(await readFile(path, 'utf8')).toBe(good);
    for (const target of TARGETS)
      expect((await fetch(`${service.url}/analytics${target}`, { headers })).status).toBe(200);
  }
  await eventually(async () => {
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toMatch(/^logforge_damaged_summaries_total 15$/m);
  });
  expect(service.logs()).toContain('a summary is damaged; its hour will be counted again');
});
