import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

/*
 * In a process of its own with a heap of 256 MB. The limits are those of the documents; the time has slack for a machine
 * that is busy with other tests.
 */
const MAX_MEGABYTES = 200;
const MAX_START_MS = 10_000;

async function measure(...flags: string[]) {
  const bench = join(import.meta.dirname, '..', 'bench', 'keys.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [bench, ...flags]);
  return JSON.parse(stdout) as { readonly keys: number; readonly startMs: number; readonly megabytes: number };
}

describe('a service that starts on its idempotency keys', () => {
  it.each([
    ['a million ordinary ones', 1_000_000, []],
    ['so many with long answers that they would not fit', 30_000, ['--long']],
  ])(
    'needs little memory and time for %s',
    async (_, keys, flags) => {
      const measured = await measure('--keys', String(keys), ...flags);
      expect(measured.keys).toBe(keys);
      expect(measured.megabytes).toBeLessThan(MAX_MEGABYTES);
      expect(measured.startMs).toBeLessThan(MAX_START_MS);
    },
    120_000,
  );
});
