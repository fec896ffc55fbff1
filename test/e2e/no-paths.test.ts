import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ROUTES } from '../../src/http/api/routes.ts';
import { type Dirs, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually } from '../support/storage.ts';

let dirs: Dirs;
let service: Service;
beforeEach(async () => {
  dirs = await makeDirs('logforge-no-paths-');
});
afterEach(async () => {
  await service.stop('SIGKILL');
  await removeDirs(dirs);
});

const RECORD = '{"timestamp":"2015-05-17T10:00:00Z","path":"/a","userAgent":"x"}';
const HOUR_QUERY = 'hour=2015-05-17T10';
const RANGE_QUERY = 'from=2015-05-17T10&to=2015-05-17T12';

/** Asks a route, and fails where the answer names a folder of the server. Gives the status. */
async function look(target: string, init: RequestInit = {}): Promise<number> {
  const signal = AbortSignal.timeout(target.startsWith('/events') ? 300 : 20_000);
  const answer = await fetch(`${service.url}${target}`, { ...init, signal });
  const headers = JSON.stringify([...answer.headers]);
  let text = '';
  try {
    for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString('latin1');
  } catch (error) {
    if (!target.startsWith('/events')) throw error;
  }
  for (const folder of [dirs.root, process.cwd()]) expect(`${target} ${headers} ${text}`).not.toContain(folder);
  return answer.status;
}

const post = (record: string) =>
  look('/logs', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: `[${record}]` });

async function lookEverywhere(): Promise<void> {
  const queries = ['', `?${HOUR_QUERY}`, `?${RANGE_QUERY}`, `?${RANGE_QUERY}&top=1`];
  for (const route of ROUTES) {
    const targets = /analytics|api/.test(route) ? queries.map((query) => `${route}${query}`) : [route];
    for (const target of targets) await look(target);
  }
  await look('/admin/aggregate', { method: 'POST', headers: { 'X-API-Key': 'k' } });
}

it('no answer names a folder of the server, also when storage and summaries fail', { timeout: 60_000 }, async () => {
  service = await startService({
    dirs,
    env: { LOGFORGE_AGGREGATION_INTERVAL: '100ms', LOGFORGE_AUTH_HEADER_NAME: 'X-API-Key' },
  });
  expect(await post(RECORD)).toBe(202);
  await eventually(async () => expect(await look(`/analytics?${HOUR_QUERY}`)).toBe(200));
  await lookEverywhere();

  // Files in the place of folders: every write and read of them fails, for root too.
  for (const folder of [dirs.logs, dirs.state, join(dirs.analytics, '2015-05-17')]) {
    await rm(folder, { recursive: true });
    await writeFile(folder, '');
  }
  await rm(dirs.dlq, { recursive: true });
  expect(await post(RECORD.replace('05-17', '05-18'))).toBe(503);
  expect(await post(RECORD.replace('05-17', '06-18'))).toBe(503);
  expect(await look('/ready')).toBe(503);
  await lookEverywhere();
  // The log has the paths, for the operator.
  expect(service.logs()).toContain(join(dirs.logs, '2015-05-18'));
});
