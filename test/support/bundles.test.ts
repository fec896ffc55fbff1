import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keepBundle, removeOldBundles } from './bundles.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'bundles-'));
});
afterEach(() => rm(root, { recursive: true }));

const keep = (text: string) => keepBundle(root, [['main.mjs', text]]);
const makeOld = (folder: string) => utimes(folder, 1_000, 1_000);

it('a bundle that is taken again is not old', async () => {
  const taken = await keep('a');
  await makeOld(taken);
  expect(await keep('a')).toBe(taken);
  await removeOldBundles(root, await keep('b'));
  expect(await readFile(join(taken, 'main.mjs'), 'utf8')).toBe('a');
});

it('old bundles are removed, by several runs at once', async () => {
  const old = await Promise.all(Array.from({ length: 50 }, (_, i) => keep(`old ${i}`)));
  await Promise.all(old.map(makeOld));
  const folder = await keep('new');
  await Promise.all(Array.from({ length: 4 }, () => removeOldBundles(root, folder)));
  expect(old.filter(existsSync)).toEqual([]);
  expect(await readdir(root)).toHaveLength(1);
});

it('a bundle that several make at once is there once', async () => {
  const folders = await Promise.all([keep('a'), keep('a')]);
  expect(new Set(folders).size).toBe(1);
  expect(await readdir(root)).toHaveLength(1);
});
