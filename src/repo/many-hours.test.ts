import { afterEach, beforeEach, expect, it } from 'vitest';
import { diskFileSystem, type FileSystem } from '../disk/file-system.ts';
import { MANY_HOURS } from './many-hours.ts';
import { batchOf, createRepoFixture, type RepoFixture } from './repo-fixture.case.ts';

let fixture: RepoFixture;
beforeEach(() => {
  fixture = createRepoFixture();
});
afterEach(() => fixture.remove());

const pad = (value: number) => String(value).padStart(2, '0');
/** More than three times as many hours as are prepared at a time. */
const HOURS = Array.from(
  { length: 3 * MANY_HOURS + 5 },
  (_, i) => `2025-03-${pad(1 + Math.floor(i / 24))}T${pad(i % 24)}`,
);
const OTHER = '2025-11-01T00';

it('a batch over many hours lets others be stored meanwhile, and is stored whole', async () => {
  const repo = await fixture.open();
  const order: string[] = [];
  const large = repo.append(batchOf(HOURS, 'large')).then(() => order.push('large'));
  const small = repo.append(batchOf([OTHER], 'small')).then(() => order.push('small'));
  await Promise.all([large, small]);
  expect(order).toEqual(['small', 'large']);
  await repo.close();
  for (const hour of HOURS) expect(fixture.lines(hour)).toEqual(['large']);
  expect(fixture.lines(OTHER)).toEqual(['small']);
});

it('leaves no file and no folder of the batch when its commit fails, and keeps what others stored in its hours', async () => {
  let isFull = false;
  const files: FileSystem = {
    ...diskFileSystem,
    write: async (...args) => {
      if (isFull) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      return diskFileSystem.write(...args);
    },
  };
  const repo = await fixture.open({ files });
  const [shared = ''] = HOURS;
  await repo.append(batchOf([shared], 'before'));
  const large = repo.append(batchOf(HOURS, 'large'));
  // After the first files are made.
  while (fixture.everything().length < 10) await new Promise((resolve) => setImmediate(resolve));
  isFull = true;
  await expect(large).rejects.toThrow('ENOSPC');
  isFull = false;
  await repo.append(batchOf([OTHER], 'after'));
  expect(fixture.everything().filter((name) => name.endsWith('.json'))).toHaveLength(2);
  await repo.close();
  expect(fixture.lines(shared)).toEqual(['before']);
  expect(fixture.lines(OTHER)).toEqual(['after']);
});
