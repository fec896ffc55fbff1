import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readBuildInfo, readGitCommit } from './build-info.ts';

const commit = 'c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00';
let root: URL;
beforeEach(async () => {
  root = pathToFileURL(`${await mkdtemp(join(tmpdir(), 'logforge-build-'))}/`);
  await mkdir(new URL('.git/refs/heads', root), { recursive: true });
});
afterEach(() => rm(root, { recursive: true, force: true }));

test('a checkout names its commit, whether its branch is loose or packed or none', async () => {
  await writeFile(new URL('.git/HEAD', root), `${commit}\n`);
  expect(readGitCommit(root)).toBe(commit);
  await writeFile(new URL('.git/HEAD', root), 'ref: refs/heads/main\n');
  expect(readGitCommit(root)).toBeUndefined();
  await writeFile(
    new URL('.git/packed-refs', root),
    `# pack-refs\nabc refs/heads/old-refs/heads/main\n${commit} refs/heads/main\n`,
  );
  expect(readGitCommit(root)).toBe(commit);
  await writeFile(new URL('.git/refs/heads/main', root), 'f'.repeat(40));
  expect(readGitCommit(root)).toBe('f'.repeat(40));
});

test('what is not known is unknown', () => {
  expect(readBuildInfo(root)).toEqual({
    version: 'unknown',
    commit: 'unknown',
    buildDate: 'unknown',
    node: process.version,
  });
});

test('the version is that of the package', async () => {
  await writeFile(new URL('package.json', root), '{"version":"4.5.6"}');
  expect(readBuildInfo(root).version).toBe('4.5.6');
});
