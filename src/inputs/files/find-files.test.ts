import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createFinder, expandBraces } from './find-files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'logforge-find-'));
  await mkdir(join(folder, 'a/deep'), { recursive: true });
  await mkdir(join(folder, 'b'));
  for (const name of ['x.log', 'y.log.1', '.hidden.log', 'a/x.log', 'a/deep/x.log', 'b/x+(1).log', '[odd].log']) {
    await writeFile(join(folder, name), '');
  }
  await symlink(join(folder, 'x.log'), join(folder, 'link.log'));
});
afterEach(() => rm(folder, { recursive: true }));

const fail = (path: string, error: Error) => {
  throw new Error(path, { cause: error });
};

async function find(...patterns: string[]): Promise<string[]> {
  const paths = await createFinder(
    patterns.map((pattern) => join(folder, pattern)),
    fail,
  ).find();
  return paths.map((path) => relative(folder, path)).sort();
}

it.each([
  ['*.log', ['[odd].log', 'link.log', 'x.log']],
  ['x.log', ['x.log']],
  ['*.log*', ['[odd].log', 'link.log', 'x.log', 'y.log.1']],
  ['?.log', ['x.log']],
  ['[xy].log*', ['x.log', 'y.log.1']],
  ['[!x].log*', ['y.log.1']],
  ['[odd].log', ['[odd].log']],
  ['.h*', ['.hidden.log']],
  ['*/x*.log', ['a/x.log', 'b/x+(1).log']],
  ['b/x+(1).*', ['b/x+(1).log']],
  ['**/x.log', ['a/deep/x.log', 'a/x.log', 'x.log']],
  ['{a,b}/*.log', ['a/x.log', 'b/x+(1).log']],
  ['none/*.log', []],
])('finds what %s matches', async (pattern, expected) => {
  expect(await find(pattern)).toEqual(expected);
});

it('names a path once, whatever patterns match it', async () => {
  expect(await find('x.log', '*.log', 'x*')).toEqual(['[odd].log', 'link.log', 'x.log']);
});

it('finds what is new, also in a folder that was listed before, and gives the same array where nothing is', async () => {
  const finder = createFinder([join(folder, '*/*.log')], fail);
  const first = await finder.find();
  await utimes(join(folder, 'a'), 1, 1);
  await finder.find();
  expect(await finder.find()).toBe(first);
  await writeFile(join(folder, 'a/new.log'), '');
  expect(await finder.find()).toContain(join(folder, 'a/new.log'));
  await rm(join(folder, 'a/new.log'));
  expect(await finder.find()).not.toContain(join(folder, 'a/new.log'));
  expect([...finder.folders].sort()).toEqual([folder, join(folder, 'a'), join(folder, 'b')]);
});

it('expands braces, nested ones too', () => {
  expect(expandBraces('a{b,c{d,e}}f')).toEqual(['abf', 'acdf', 'acef']);
  expect(expandBraces('a{b}')).toEqual(['a{b}']);
});

it('follows links to folders where a name matches them, and not for a double star', async () => {
  await symlink(join(folder, 'a'), join(folder, 'linked'));
  await symlink(folder, join(folder, 'a/circle'));
  await symlink(join(folder, 'nowhere'), join(folder, 'broken'));
  expect(await find('*/x.log')).toEqual(['a/x.log', 'linked/x.log']);
  expect(await find('linked/**/x.log')).toEqual(['linked/deep/x.log', 'linked/x.log']);
  expect(await find('**/deep/x.log')).toEqual(['a/deep/x.log']);
});

it('follows a link to a folder that is made, or gone, after the link was listed', async () => {
  const [links, target] = [join(folder, 'links'), join(folder, 'target')];
  await mkdir(links);
  await symlink(target, join(links, 'web'));
  await utimes(links, 1, 1);
  const finder = createFinder([join(links, '*/access.log')], fail);
  expect(await finder.find()).toEqual([]);
  await mkdir(target);
  await writeFile(join(target, 'access.log'), '');
  expect(await finder.find()).toEqual([join(links, 'web/access.log')]);
  await rm(target, { recursive: true });
  expect(await finder.find()).toEqual([]);
});

it('names the pattern that is none', () => {
  expect(() => createFinder(['/var/log/[z-a].log'], fail)).toThrow('cannot read the pattern /var/log/[z-a].log');
});

it('asks once for each path whether it is excluded', async () => {
  const asked: string[] = [];
  const exclude = (path: string) => asked.push(path) > 0 && path.endsWith('a/x.log');
  const hourAgo = new Date(Date.now() - 3_600_000);
  for (const name of ['a', 'b']) await utimes(join(folder, name), hourAgo, hourAgo);
  const finder = createFinder([join(folder, '*/*.log')], fail, exclude);
  const found = await finder.find();
  expect(found.map((path) => relative(folder, path))).toEqual(['b/x+(1).log']);
  expect(await finder.find()).toBe(found);
  expect(asked).toHaveLength(2);
});
