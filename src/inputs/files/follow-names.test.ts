import { appendFileSync, linkSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { type FollowFixture, useFollowFixture } from './follow-fixture.case.ts';

/** Paths that were looked at: nothing outside tells. `onLook` is told of each before. */
const looks = vi.hoisted(() => ({ paths: [] as string[], onLook: (_path: string) => {} }));
vi.mock('node:fs', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:fs')>();
  const statSync = (...args: Parameters<typeof original.statSync>) => {
    looks.onLook(String(args[0]));
    looks.paths.push(String(args[0]));
    return original.statSync(...args);
  };
  return { ...original, statSync };
});

const fixture = useFollowFixture();
const at = (name: string) => fixture().at(name);
const follow: FollowFixture['follow'] = (patterns, more) => fixture().follow(patterns, more);
afterEach(() => {
  looks.onLook = () => {};
  vi.restoreAllMocks();
});

const untilRead = (...lines: string[]) =>
  vi.waitFor(() => expect(fixture().recorder.lines.toSorted()).toEqual(lines.toSorted()), {
    timeout: 3_000,
    interval: 5,
  });

it('a further name of a file is looked at once, and not in each scan', async () => {
  writeFileSync(at('pod.txt'), 'p1\n');
  symlinkSync(at('pod.txt'), at('container.log'));
  await follow(['pod.txt', '*.log']);
  await untilRead('p1');
  const count = () => looks.paths.filter((path) => path === at('container.log')).length;
  const before = count();
  const lines = ['p1'];
  // Each new file is found by a scan.
  for (const name of ['1.log', '2.log', '3.log']) {
    writeFileSync(at(name), `${name}\n`);
    lines.push(name);
    await untilRead(...lines);
  }
  // The first of them may have come before the name was known.
  expect([before, count()]).toEqual([1, 1]);
});

it('a further name goes on with the file when the first one is gone', async () => {
  writeFileSync(at('a.log'), 'a1\n');
  linkSync(at('a.log'), at('b.log'));
  const follower = await follow(['*.log']);
  await untilRead('a1');
  const [first = '', second = ''] = follower.paths(1).includes(at('a.log')) ? ['a.log', 'b.log'] : ['b.log', 'a.log'];
  unlinkSync(at(first));
  await vi.waitFor(() => expect(follower.paths(2)).toEqual([at(second)]), { timeout: 3_000 });
  appendFileSync(at(second), 'a2\n');
  await untilRead('a1', 'a2');
});

it('a further name that another file has got is followed', async () => {
  writeFileSync(at('a.log'), 'a1\n');
  linkSync(at('a.log'), at('b.log'));
  const follower = await follow(['a.log', 'b.log']);
  await untilRead('a1');
  expect(follower.paths(2)).toEqual([at('a.log')]);
  writeFileSync(at('new'), 'b1\n');
  renameSync(at('new'), at('b.log'));
  await untilRead('a1', 'b1');
});

it('also where it leads to another file without a sign, after a minute', async () => {
  const real = performance.now.bind(performance);
  let ahead = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => real() + ahead);
  writeFileSync(at('a.log'), 'a1\n');
  symlinkSync(at('a.log'), at('current'));
  symlinkSync(at('current'), at('b.log'));
  await follow(['a.log', 'b.log', '*.txt']);
  await untilRead('a1');
  writeFileSync(at('other'), 'b1\n');
  unlinkSync(at('current'));
  symlinkSync(at('other'), at('current'));
  // The minute goes by within a scan that a new file asks for: the next one in due time would be after 10 s.
  looks.onLook = (path) => {
    if (path === fixture().folder) ahead = 60_000;
  };
  writeFileSync(at('new.txt'), 't1\n');
  await untilRead('a1', 'b1', 't1');
});
