import { expect, test } from 'vitest';
import { postBytes, type Setup, startFixture } from '../contract/contract-fixture.case.ts';
import type { AccessEntry } from './access-log.ts';
import { createHttpServer } from './server.ts';

async function start(setup: Setup = {}) {
  const entries: AccessEntry[] = [];
  const logAccess = (entry: AccessEntry) => void entries.push(entry);
  const fixture = await startFixture((options) => createHttpServer({ ...options, logAccess }), setup);
  return { ...fixture, entries };
}

test('logs every request once, at its end, with the id of its answer', async () => {
  const { ask, get, entries } = await start();
  await ask(postBytes({ target: '/logs?invalid=skip', headers: ['X-Request-Id: mine'] }));
  await ask(postBytes({ contentType: 'text/plain' }));
  const { headers } = await get('/analytics?hour=2015-05-17T10');
  await get('/nowhere');
  await expect.poll(() => entries.length).toBe(4);
  expect(entries.map(({ method, path, status }) => `${method} ${path} ${status}`)).toEqual([
    'POST /logs 202',
    'POST /logs 415',
    'GET /analytics 404',
    'GET /nowhere 404',
  ]);
  expect([entries[0]?.requestId, entries[2]?.requestId]).toEqual(['mine', headers.get('x-request-id')]);
  for (const { ms, aborted } of entries) {
    expect(ms).toBeGreaterThanOrEqual(0);
    expect(aborted).toBeUndefined();
  }
});

test('logs a client that left before its answer as aborted', async () => {
  const { promise, resolve } = Promise.withResolvers<never>();
  const { connect, ingested, entries } = await start({ ingest: () => promise });
  const client = await connect();
  client.send(postBytes());
  await expect.poll(() => ingested.length).toBe(1);
  client.socket.resetAndDestroy();
  await expect.poll(() => entries).toMatchObject([{ method: 'POST', path: '/logs', aborted: true }]);
  resolve(undefined as never);
});
