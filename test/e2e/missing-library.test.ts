import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnv, REPOSITORY } from '../support/service.ts';

let root: string;

/**
 * A checkout whose Node.js asks for a library that no machine has. It is the real program, and the real loader refuses it: one letter of
 * the name of the library is changed.
 */
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'logforge-library-'));
  const program = await readFile(process.execPath);
  const at = program.indexOf('libatomic.so.1\0');
  expect(at).toBeGreaterThan(0);
  program.write('libatomix', at);
  await mkdir(join(root, 'node_modules/node/bin'), { recursive: true });
  await mkdir(join(root, 'node_modules/.bin'));
  await writeFile(join(root, 'node_modules/node/bin/node'), program, { mode: 0o755 });
  await symlink('../node/bin/node', join(root, 'node_modules/.bin/node'));
  for (const file of ['Makefile', 'package.json', 'package-lock.json'])
    await copyFile(join(REPOSITORY, file), join(root, file));
  await cp(join(REPOSITORY, 'bin'), join(root, 'bin'), { recursive: true });
  // Everything is installed, says the stamp; it is the newest file.
  await writeFile(join(root, 'node_modules/.installed'), '');
});
afterAll(() => rm(root, { recursive: true, force: true }));

function run(command: string, ...args: string[]): Promise<{ readonly code: unknown; readonly output: string }> {
  const env = { ...cleanEnv(), PATH: '/usr/bin:/bin', MAKEFLAGS: '' };
  return new Promise((resolve) => {
    execFile(command, args, { cwd: root, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, output: stdout + stderr });
    });
  });
}

describe.each([
  ['bin/logforge', ['serve'], 1],
  ['make', ['setup'], 2],
  ['make', ['run'], 2],
] as const)('%s %j where Node.js lacks a library', (command, args, code) => {
  it('names the library and what to install on Debian, Fedora and Alpine', async () => {
    const ended = await run(command, ...args);
    expect(ended.code).toBe(code);
    expect(ended.output).toMatch(/cannot start Node\.js: .*libatomix\.so\.1/);
    for (const words of ['apt-get install libatomic1', 'dnf install libatomic', 'Alpine']) {
      expect(ended.output).toContain(words);
    }
  });
});
