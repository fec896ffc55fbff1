import { expect, test } from 'vitest';
import { createLog } from '../../log.ts';
import { UnavailableError } from '../../model/deliver.ts';
import { type Setup, startFixture } from '../contract/contract-fixture.case.ts';
import { createHttpServer } from './server.ts';

/** A server that writes its lines through the log of the service. */
async function start(setup: Setup) {
  const lines: string[] = [];
  const log = createLog({ level: 'info', format: 'json', stream: { write: (line) => lines.push(line) } });
  const fixture = await startFixture((options) => createHttpServer({ ...options, log }), setup);
  const entries = () => lines.map((line): Record<string, unknown> => JSON.parse(line));
  return { ...fixture, log, lines, entries };
}

test('a batch that cannot be stored now is one plain line with its cause', async () => {
  const cause = new Error('ENOSPC: no space left on device, write');
  const error = new UnavailableError(`cannot store the batch: ${cause.message}`, 1, { cause });
  const { post, lines, entries } = await start({ ingest: () => Promise.reject(error) });
  await post({ headers: ['X-Request-Id: mine'] });
  expect(entries()).toEqual([
    {
      level: 'warn',
      time: expect.any(String),
      msg: 'cannot store a batch now',
      requestId: 'mine',
      reason: error.message,
    },
  ]);
  expect(lines[0]).not.toContain('stack');
});

test('many of them are folded', async () => {
  const ingest = () => Promise.reject(new UnavailableError('the spool is full', 1));
  const { post, entries, log } = await start({ ingest });
  for (let i = 0; i < 12; i += 1) await post();
  expect(entries()).toHaveLength(5);
  log.close();
  expect(entries().at(-1)).toMatchObject({ msg: 'cannot store a batch now', repeated: 7 });
});

test('a defect keeps its stack', async () => {
  const { post, entries } = await start({ ingest: () => Promise.reject(new TypeError('x is not a function')) });
  await post();
  expect(entries()).toMatchObject([{ level: 'error', msg: 'cannot ingest a batch' }]);
  expect(entries()[0]?.err).toMatchObject({ message: 'x is not a function', stack: expect.stringContaining(' at ') });
});

test('another route that is unavailable is a plain line too, and the client is told when to try again', async () => {
  const ask = () => Promise.reject(new UnavailableError('the analytics thread is restarting', 4));
  const { get, entries } = await start({ analytics: { ask } });
  const answer = await get('/analytics?hour=2015-05-17T10');
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '4']);
  expect(answer.body).toContain('the analytics thread is restarting');
  expect(entries()).toMatchObject([{ level: 'warn', msg: 'cannot answer a request now', route: '/analytics' }]);
  expect(entries()[0]).not.toHaveProperty('err');
});
