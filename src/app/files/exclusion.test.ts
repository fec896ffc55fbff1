import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createExclusion } from './exclusion.ts';

it('leaves out what the program writes itself, by whatever name it is found, and nothing else', () => {
  const folder = mkdtempSync(join(tmpdir(), 'logforge-exclusion-'));
  try {
    mkdirSync(join(folder, 'state'));
    symlinkSync(join(folder, 'state'), join(folder, 'link'));
    writeFileSync(join(folder, 'state/a.log'), '');
    const isExcluded = createExclusion([join(folder, 'forward.checkpoint'), join(folder, 'state')]);
    const paths = ['forward.checkpoint', 'forward.checkpoint.lock', 'state/a.log'];
    for (const path of [...paths, 'link/a.log']) expect([path, isExcluded(join(folder, path))]).toEqual([path, true]);
    for (const path of ['forward.log', 'forward.checkpoint.log', 'state.log/a', 'states/a.log', 'a.log'])
      expect([path, isExcluded(join(folder, path))]).toEqual([path, false]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
