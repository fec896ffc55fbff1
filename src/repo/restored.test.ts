import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { batchOf, createRepoFixture, type RepoFixture } from './repo-fixture.case.ts';

/*
 * A copy of a store that ran while it was copied: the number of the newest commit first, then the state folder, then the hours. So the
 * hours have more than the journal knows, maybe more than one commit can leave.
 */

const HOUR = '2025-11-22T10';
const MIB = 2 ** 20;

let fixture: RepoFixture;
beforeEach(() => {
  fixture = createRepoFixture();
});
afterEach(() => fixture.remove());

const inDir = (...names: string[]) => join(fixture.dir, ...names);

/** Stores a record, copies number and state, stores 80 MiB more, and puts the copies in place. `number`: when it was copied. */
async function makeCopy({ number = 'first' }: { readonly number?: 'first' | 'last' | 'never' } = {}): Promise<void> {
  const first = await fixture.open();
  await first.append(batchOf([HOUR], '{"id":1}'));
  await first.close();
  fs.cpSync(inDir('logs', '.logforge.seq'), inDir('seq'));
  fs.cpSync(inDir('state'), inDir('copied'), { recursive: true });
  const later = await fixture.open();
  for (let i = 0; i < 5; i++) await later.append(batchOf([HOUR], `{"x":"${'x'.repeat(16 * MIB)}"}`));
  await later.close();
  fs.rmSync(inDir('state'), { recursive: true });
  fs.renameSync(inDir('copied'), inDir('state'));
  if (number === 'first') fs.renameSync(inDir('seq'), inDir('logs', '.logforge.seq'));
  if (number === 'never') fs.rmSync(inDir('logs', '.logforge.seq'));
}

it('has what the journal knows, once it is said to be restored, however much its hours have beyond', async () => {
  await makeCopy();
  const repo = await fixture.open({ beginsGenerations: true });
  expect(await repo.damage()).toBeUndefined();
  await repo.close();
  expect(fixture.lines(HOUR)).toEqual(['{"id":1}']);
});

it.each([
  ['nobody says so', 'first', false],
  ['the number of the newest commit is missing', 'never', true],
  ['the number of the newest commit is ahead of the journal', 'last', true],
] as const)('keeps every line where %s', async (_why, number, beginsGenerations) => {
  await makeCopy({ number });
  const repo = await fixture.open({ beginsGenerations });
  expect(await repo.damage()).toContain('the commit journal is older than the hour files');
  await repo.close();
  expect(fixture.lines(HOUR)).toHaveLength(6);
});
