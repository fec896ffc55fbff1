import { describe, expect, it } from 'vitest';
import type { Log } from '../log.ts';
import { createLifecycle } from './lifecycle.ts';

const errors: unknown[] = [];
const quiet = (): void => undefined;
const log: Log = {
  trace: quiet,
  debug: quiet,
  info: quiet,
  warn: quiet,
  error: (_, fields) => void errors.push(fields?.part),
  fatal: quiet,
  child: () => log,
};

describe('stop', () => {
  it('runs in reverse, once, however often it is called', async () => {
    const stopped: string[] = [];
    const lifecycle = createLifecycle(log);
    for (const name of ['storage', 'aggregator', 'http']) {
      lifecycle.started(name, async () => void stopped.push(name));
    }
    expect(await Promise.all([lifecycle.stop(1000), lifecycle.stop(1000)])).toEqual([true, true]);
    expect(stopped).toEqual(['http', 'aggregator', 'storage']);
  });

  it('names a part that fails or outlives its budget, and still stops those below it', async () => {
    const stopped: string[] = [];
    const lifecycle = createLifecycle(log);
    lifecycle.started('storage', async () => void stopped.push('storage'));
    lifecycle.started('stuck', () => new Promise(() => undefined));
    lifecycle.started('broken', () => Promise.reject(new Error('no')));
    expect(await lifecycle.stop(0)).toBe(false);
    expect(stopped).toEqual(['storage']);
    expect(errors).toEqual(['broken', 'stuck']);
  });
});
