import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const launcher = new URL('../../bin/logforge', import.meta.url);
const program = `const { argv, execPath, execArgv: flags, env } = process;
const { UV_THREADPOOL_SIZE: pool, NODE_COMPILE_CACHE: cache } = env;
console.log(JSON.stringify({ main: argv[1], args: argv.slice(2), execPath, flags, pool, cache }));
process.exitCode = 9;`;

let directory: string;
beforeEach(async () => {
  directory = await realpath(await mkdtemp(join(tmpdir(), 'logforge launcher-')));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Lays out a package at `where`, with what is named in it. */
async function install(where: string, ...parts: ('src' | 'dist' | 'node')[]): Promise<string> {
  await mkdir(join(where, 'bin'), { recursive: true });
  await copyFile(launcher, join(where, 'bin/logforge'));
  if (parts.includes('src')) await put(join(where, 'src/cli/main.ts'), program);
  if (parts.includes('dist')) await put(join(where, 'dist/cli/main.js'), program);
  if (parts.includes('node')) await link(join(where, 'node_modules/node/bin/node'), process.execPath);
  return join(where, 'bin/logforge');
}

async function put(file: string, text: string, mode = 0o644): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text, { mode });
}

async function link(file: string, target: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await symlink(target, file);
}

/** A directory for the PATH with the tools that the launcher itself needs, and `node` as a script, if given. */
async function createPath(node?: string): Promise<string> {
  const path = join(directory, 'path');
  for (const tool of ['readlink', 'dirname']) await link(join(path, tool), `/usr/bin/${tool}`);
  if (node !== undefined) await put(join(path, 'node'), `#!/bin/sh\n${node}\n`, 0o755);
  return path;
}

function run(file: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile('/bin/sh', [file, ...args], { env: { PATH: '/usr/bin:/bin', ...env } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}

test('runs the source of a checkout, hands on arguments and status, and sizes the thread pool', async () => {
  const file = await install(directory, 'src', 'dist', 'node');
  const { code, stdout, stderr } = await run(file, ['a b', '--c', '', '$HOME']);
  expect([code, stderr]).toEqual([9, '']);
  expect(JSON.parse(stdout)).toEqual({
    main: join(directory, 'src/cli/main.ts'),
    args: ['a b', '--c', '', '$HOME'],
    execPath: process.execPath,
    flags: ['--disable-sigusr1', '--disable-warning=TimeoutNegativeWarning'],
    pool: '16',
    cache: join(directory, 'node_modules/.cache/logforge'),
  });
});

test('keeps the heap of what follows files small', async () => {
  const file = await install(directory, 'src', 'node');
  const flagsOf = async (command: string) => JSON.parse((await run(file, [command])).stdout).flags;
  expect(await flagsOf('forward')).toContain('--max-semi-space-size=2');
  expect(await flagsOf('collect')).toContain('--max-semi-space-size=2');
  expect((await flagsOf('serve')).join(' ')).not.toContain('space-size');
});

test.each<[string, Record<string, string>, string | undefined]>([
  ['of the user', { HOME: '/home/x' }, '/home/x/.cache/logforge'],
  ['that was chosen', { HOME: '/home/x', XDG_CACHE_HOME: '/var/cache' }, '/var/cache/logforge'],
  ['that was given', { HOME: '/home/x', NODE_COMPILE_CACHE: '/given' }, '/given'],
  ['of nobody', {}, undefined],
])('keeps compiled code of a package in the folder %s', async (_name, env, cache) => {
  const file = await install(directory, 'dist', 'node');
  expect(JSON.parse((await run(file, [], env)).stdout).cache).toBe(cache);
});

test('runs where compiled code cannot be kept', async () => {
  const file = await install(directory, 'dist', 'node');
  const { code, stdout, stderr } = await run(file, [], { HOME: '/dev/null' });
  expect([code, stderr]).toEqual([9, '']);
  expect(JSON.parse(stdout)).toMatchObject({ cache: '/dev/null/.cache/logforge' });
});

test('runs what was built where there is no source, and keeps a given pool size', async () => {
  const file = await install(directory, 'dist', 'node');
  const { stdout } = await run(file, [], { UV_THREADPOOL_SIZE: '4' });
  expect(JSON.parse(stdout)).toMatchObject({ main: join(directory, 'dist/cli/main.js'), pool: '4' });
});

test('follows links, relative and absolute, and finds Node.js beside it in a flat node_modules', async () => {
  const file = await install(join(directory, 'lib/node_modules/logforge'), 'dist');
  await link(join(directory, 'lib/node_modules/node/bin/node'), process.execPath);
  await link(join(directory, 'bin/logforge'), '../lib/node_modules/logforge/bin/logforge');
  await link(join(directory, 'elsewhere/lf'), join(directory, 'bin/logforge'));
  const { stdout } = await run(join(directory, 'elsewhere/lf'));
  expect(JSON.parse(stdout)).toMatchObject({ main: join(dirname(dirname(file)), 'dist/cli/main.js') });
});

test('takes Node.js from the PATH when it is 26 or newer', async () => {
  const file = await install(directory, 'dist');
  const PATH = await createPath('if [ "$1" = --version ]; then echo v26.0.0; else echo "ran $3"; fi');
  expect(await run(file, [], { PATH })).toEqual({ code: 0, stdout: `ran ${directory}/dist/cli/main.js\n`, stderr: '' });
});

test.each([
  'echo v25.9.9',
  'echo v9.0.0',
  'echo nonsense',
  'exit 3',
])('refuses a Node.js on the PATH that says: %s', async (script) => {
  const file = await install(directory, 'dist');
  const { code, stdout, stderr } = await run(file, [], { PATH: await createPath(script) });
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^logforge: needs Node\.js 26 or newer, but .*\/path\/node is .*make setup/);
});

test('says what to do where there is no Node.js', async () => {
  const file = await install(directory, 'dist');
  const { code, stderr } = await run(file, [], { PATH: await createPath() });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^logforge: cannot find Node\.js: .*npm install -g logforge/);
});

test('says so where the program is missing', async () => {
  const { code, stderr } = await run(await install(directory, 'node'));
  expect(code).toBe(1);
  expect(stderr).toContain(`cannot find the program under ${directory}`);
});

test('names what to install where its own Node.js lacks a library, and none on the PATH can stand in', async () => {
  const file = await install(directory, 'dist');
  const loader = 'error while loading shared libraries: libatomic.so.1: cannot open shared object file';
  await put(join(directory, 'node_modules/node/bin/node'), `#!/bin/sh\necho "node: ${loader}" >&2\nexit 127\n`, 0o755);
  for (const other of [undefined, 'echo v20.20.2']) {
    const { code, stdout, stderr } = await run(file, [], { PATH: await createPath(other) });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`logforge: cannot start Node.js: node: ${loader}`);
    for (const remedy of ['apt-get install libatomic1', 'dnf install libatomic', 'apk add'])
      expect(stderr).toContain(remedy);
    await rm(join(directory, 'path'), { recursive: true });
  }
});

test('takes Node.js from the PATH where its own cannot start', async () => {
  const file = await install(directory, 'dist');
  await put(join(directory, 'node_modules/node/bin/node'), '#!/bin/sh\nexit 127\n', 0o755);
  const PATH = await createPath('if [ "$1" = --version ]; then echo v27.0.0; else echo ran; fi');
  expect(await run(file, [], { PATH })).toEqual({ code: 0, stdout: 'ran\n', stderr: '' });
});
