import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isAbsent, isMissing } from './missing.ts';

function errorOf(path: string): unknown {
  try {
    readFileSync(path);
  } catch (error) {
    return error;
  }
  throw new Error(`path=${path} could be read`);
}

it('tells a file that is not there from one that cannot be read', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'logforge-missing-'));
  try {
    writeFileSync(join(dir, 'file'), '');
    const [noFile, noFolder, isFolder] = ['none', 'file/none', '.'].map((name) => errorOf(join(dir, name)));
    expect([noFile, noFolder, isFolder].map(isMissing)).toEqual([true, false, false]);
    expect([noFile, noFolder, isFolder].map(isAbsent)).toEqual([true, true, false]);
    expect([undefined, 'ENOENT', new Error('ENOENT')].map(isAbsent)).toEqual([false, false, false]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
