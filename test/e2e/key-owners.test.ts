import { expect, it, onTestFinished } from 'vitest';
import { createClient } from '../support/client.ts';
import { type Dirs, makeDirs, removeDirs, startService } from '../support/service.ts';
import { readRecords } from '../support/storage.ts';

const record = (id: number) => `[{"timestamp":"2015-05-17T10:00:00Z","path":"/","userAgent":"a","id":${id}}]`;
/** 98 records, 2 of them invalid: an answer with a list. */
const SKIPPED = JSON.stringify(
  Array.from({ length: 98 }, (_, i) => ({
    timestamp: i < 2 ? 'never' : '2015-05-17T10:00:00Z',
    path: '/',
    userAgent: 'a',
  })),
);
const AUTH = { LOGFORGE_AUTH_ENABLED: 'true', LOGFORGE_AUTH_KEYS: 'alice,bob' };

async function start(dirs: Dirs, env: Readonly<Record<string, string>>) {
  const service = await startService({ dirs, env: { LOGFORGE_SERVER_THREADS: '2', ...env } });
  const client = createClient(service.port);
  const stop = async () => {
    client.close();
    await service.stop();
  };
  onTestFinished(stop);
  const send = async (key: string, body: string, apiKey?: string) => {
    const headers = { 'Idempotency-Key': key, ...(apiKey !== undefined && { 'X-API-Key': apiKey }) };
    const answer = await client.post(body, headers, '/logs?invalid=skip');
    return { status: answer.status, body: answer.body, replayed: answer.headers['idempotency-replayed'] === 'true' };
  };
  return { send, stop };
}

it('keeps the keys of two API keys apart, also after a restart, and knows them with and without authentication', async () => {
  const dirs = await makeDirs();
  onTestFinished(() => removeDirs(dirs));

  const open = await start(dirs, {});
  expect(await open.send('early', record(1))).toMatchObject({ status: 202, replayed: false });
  await open.stop();

  const first = await start(dirs, AUTH);
  expect(await first.send('k', record(2), 'alice')).toMatchObject({ status: 202, replayed: false });
  expect(await first.send('k', record(3), 'bob')).toMatchObject({ status: 202, replayed: false });
  const long = await first.send('long', SKIPPED, 'alice');
  expect(JSON.parse(long.body)).toMatchObject({ accepted: 96, rejected: 2, errors: [{ index: 0 }, { index: 1 }] });
  await first.stop();

  const second = await start(dirs, AUTH);
  expect(await second.send('k', record(2), 'alice')).toMatchObject({ status: 202, replayed: true });
  expect(await second.send('k', record(3), 'bob')).toMatchObject({ status: 202, replayed: true });
  expect((await second.send('k', record(3), 'alice')).status).toBe(422);
  expect(await second.send('early', record(1), 'bob')).toMatchObject({ status: 202, replayed: true });
  expect(await second.send('long', SKIPPED, 'alice')).toEqual({ ...long, replayed: true });
  await second.stop();

  const third = await start(dirs, {});
  expect(await third.send('k', record(2))).toMatchObject({ status: 202, replayed: true });
  expect(await third.send('k', record(3))).toMatchObject({ status: 202, replayed: true });
  expect((await third.send('k', record(4))).status).toBe(422);
  await third.stop();
  const ids = (await readRecords(dirs)).flatMap(({ id }) => (id === undefined ? [] : [Number(id)]));
  expect(ids.sort()).toEqual([1, 2, 3]);
});
