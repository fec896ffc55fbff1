import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

/** Resolves when the number of the newest commit is in its file: it is written within 50 ms (sequence-file.ts). */
export async function sequenceSettled(logsDir: string): Promise<void> {
  const age = () => Date.now() - statSync(join(logsDir, '.logforge.seq')).mtimeMs;
  await expect.poll(age, { interval: 10 }).toBeGreaterThan(100);
}
