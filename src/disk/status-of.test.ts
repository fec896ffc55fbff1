import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { statusOf } from './status-of.ts';

it('gives what a path leads to, and nothing where that cannot be looked at', () => {
  const folder = mkdtempSync(join(tmpdir(), 'logforge-status-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const at = (name: string) => join(folder, name);
  writeFileSync(at('file'), 'abc');
  symlinkSync(at('file'), at('link'));
  symlinkSync(at('nowhere'), at('broken'));
  symlinkSync(at('circle'), at('circle'));
  expect(['file', 'link'].map((name) => statusOf(at(name))?.size)).toEqual([3, 3]);
  // The last two cannot be looked at: a file is no folder, and a link leads to itself.
  for (const name of ['none', 'broken', 'file/none', 'circle']) expect(statusOf(at(name)), name).toBeUndefined();
});
