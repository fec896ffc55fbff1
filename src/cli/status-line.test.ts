import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { reportStatus } from './status-line.ts';

const PERIOD_MS = 10_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('says how it stands when that has changed', async () => {
  const said: string[] = [];
  let status = 'one';
  const stop = reportStatus(
    () => status,
    (text) => said.push(text),
  );
  await vi.advanceTimersByTimeAsync(2 * PERIOD_MS);
  status = 'two';
  await vi.advanceTimersByTimeAsync(PERIOD_MS);
  stop();
  status = 'three';
  await vi.advanceTimersByTimeAsync(2 * PERIOD_MS);
  expect(said).toEqual(['one', 'two']);
});

it('says nothing any more when it was stopped, not what it asked for before either', async () => {
  const said: string[] = [];
  const { promise, resolve } = Promise.withResolvers<string>();
  const stop = reportStatus(
    () => promise,
    (text) => said.push(text),
  );
  await vi.advanceTimersByTimeAsync(PERIOD_MS);
  stop();
  resolve('late');
  await promise;
  await vi.advanceTimersByTimeAsync(PERIOD_MS);
  expect(said).toEqual([]);
});

it('says once that it cannot know how it stands, and goes on', async () => {
  const said: string[] = [];
  let failing = true;
  const stop = reportStatus(
    async () => {
      if (failing) throw new Error('no such file');
      return 'fine';
    },
    (text) => said.push(text),
  );
  await vi.advanceTimersByTimeAsync(2 * PERIOD_MS);
  failing = false;
  await vi.advanceTimersByTimeAsync(PERIOD_MS);
  stop();
  expect(said).toEqual(['cannot read the counts: no such file', 'fine']);
});
