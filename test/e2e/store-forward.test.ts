import { appendFileSync, mkdirSync, realpathSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type ForwarderProcess, startForward } from '../support/forwarding.ts';
import { runProgram } from '../support/run.ts';
import { cleanEnv, type Dirs, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually } from '../support/storage.ts';

/* `logforge store` and the forwarders that feed it, as the walkthrough of the first log aggregator has them. */

async function setUp(): Promise<Dirs> {
  const dirs = await makeDirs();
  onTestFinished(() => removeDirs(dirs));
  return dirs;
}

async function startStore(dirs: Dirs, port = 0): Promise<Service> {
  const args = port === 0 ? [] : ['--addr', `127.0.0.1:${port}`];
  const store = await startService({ command: 'store', dirs, args });
  onTestFinished(async () => void (await store.stop('SIGKILL')));
  return store;
}

/** A forwarder of one file or several, with a checkpoint of its own. */
async function forward({ url }: Service, dirs: Dirs, files: readonly string[], more: readonly string[] = []) {
  const checkpoint = `${files[0]?.replaceAll('/', '_')}.checkpoint`;
  const args = ['--protocol', 'store', '--checkpoint', checkpoint, ...more, `${url}/store/batch`, ...files];
  const forwarder = await startForward(args, { cwd: dirs.root });
  onTestFinished(async () => void (await forwarder.stop('SIGKILL')));
  return forwarder;
}

/** The address that a forwarder prints for a file. */
function downloadOf(forwarder: ForwarderProcess, path: string): Promise<URL> {
  return eventually(() => {
    const urls = [...forwarder.stderr().matchAll(/download (\S+)/g)].map(([, url = '']) => new URL(url));
    const url = urls.find(({ searchParams }) => searchParams.get('file') === path);
    if (url === undefined) throw new Error(`no address of ${path} in ${forwarder.stderr()}`);
    return url;
  });
}

async function download(url: URL | string): Promise<Buffer> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

const holds = (url: URL | string, text: string | Buffer, timeoutMs?: number) =>
  eventually(async () => expect((await download(url)).toString('latin1')).toBe(text.toString('latin1')), timeoutMs);

it('does the walkthrough: two forwarders, two files, and what is appended', async () => {
  const dirs = await setUp();
  const shell = async (script: string) => {
    const { code, stderr } = await runProgram(['bash', '-c', script], { cwd: dirs.root, env: cleanEnv() });
    expect([code, stderr]).toEqual([0, '']);
  };
  const store = await startStore(dirs);
  expect((await download(`${store.url}/ruok`)).toString()).toBe('imok');
  await shell('for i in {1..10}; do echo $i >> test1.txt; done; for i in {100..110}; do echo $i >> test2.txt; done');
  const [one = '', two = ''] = ['test1.txt', 'test2.txt'].map((name) => join(realpathSync(dirs.root), name));
  const forwarders = await Promise.all([forward(store, dirs, ['test1.txt']), forward(store, dirs, ['test2.txt'])]);

  const [first, second] = await Promise.all([downloadOf(forwarders[0], one), downloadOf(forwarders[1], two)]);
  expect(Object.fromEntries(first.searchParams)).toEqual({ host: hostname(), file: one });
  const lines = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join('');
  await holds(first, lines(1, 10));
  // Eleven lines: the odd one does not wait for a second one.
  await holds(second, lines(100, 110));

  await shell('printf "hello\\nworld\\n" >> test1.txt');
  await holds(first, `${lines(1, 10)}hello\nworld\n`);
  // Nor does a single new line.
  await shell('echo odd >> test1.txt');
  await holds(first, `${lines(1, 10)}hello\nworld\nodd\n`, 2_000);
  for (const forwarder of forwarders) expect(await forwarder.stop()).toBe(0);
  expect(await store.stop()).toEqual({ code: 0, signal: null });
});

it('gives back a file byte for byte up to its last newline', async () => {
  const dirs = await setUp();
  const store = await startStore(dirs);
  const folder = join(realpathSync(dirs.root), 'odd ü&=%41');
  mkdirSync(folder);
  const path = join(folder, 'a+b#.txt');
  const whole = 'a\r\n\n\ttab \\x41 "quoted"\n\u0001\u0000nul\n\u{1f600} é\n \n';
  writeFileSync(path, `${whole}no end`);
  const latin = join(folder, 'latin.txt');
  writeFileSync(latin, Buffer.from('caf\xe9 \xff\nplain\n', 'latin1'));
  // A file is stored by its own name, not by that of a link.
  const link = join(dirs.root, 'link.txt');
  symlinkSync(path, link);

  const forwarder = await forward(store, dirs, [link, latin], ['--host', 'web 1']);
  const url = await downloadOf(forwarder, path);
  expect(url.searchParams.get('host')).toBe('web 1');
  await holds(url, Buffer.from(whole));
  await holds(await downloadOf(forwarder, latin), 'caf\\xe9 \\xff\nplain\n');
  appendFileSync(path, ' has one\nhalf');
  await holds(url, Buffer.from(`${whole}no end has one\n`));
});

it('loses and doubles nothing by kill -9 of the store and of the forwarder', async () => {
  const dirs = await setUp();
  let store = await startStore(dirs);
  const path = join(realpathSync(dirs.root), 'app.log');
  let text = '';
  const write = (count: number) => {
    const lines = Array.from({ length: count }, (_, i) => `line ${text.length + i} ${'x'.repeat(50)}\n`).join('');
    text += lines;
    appendFileSync(path, lines);
  };
  write(20_000);
  let forwarder = await forward(store, dirs, [path]);
  const url = await downloadOf(forwarder, path);
  for (let round = 0; round < 2; round++) {
    write(20_000);
    await forwarder.stop('SIGKILL');
    write(1);
    forwarder = await forward(store, dirs, [path]);
    write(20_000);
    const { port } = store;
    await store.stop('SIGKILL');
    write(1);
    store = await startStore(dirs, port);
  }
  await holds(url, text);
  expect(await forwarder.stop()).toBe(0);
  expect(await listFiles(store)).toEqual([{ host: hostname(), file: path, lines: text.split('\n').length - 1 }]);
});

async function listFiles({ url }: Service): Promise<unknown> {
  const { files } = JSON.parse((await download(`${url}/store/files`)).toString());
  return files.map(({ host, file, lines }: { [name: string]: unknown }) => ({ host, file, lines }));
}

it('keeps the lines of a file that was rotated away beside those of the new one', async () => {
  const dirs = await setUp();
  const store = await startStore(dirs);
  const path = join(realpathSync(dirs.root), 'app.log');
  const first = Array.from({ length: 100 }, (_, i) => `first ${i}\n`).join('');
  writeFileSync(path, first);
  const forwarder = await forward(store, dirs, [`${path}*`]);
  const url = await downloadOf(forwarder, path);
  await holds(url, first);
  renameSync(path, `${path}.1`);
  writeFileSync(path, 'second\n');
  await holds(url, 'second\n');
  // The line after the end of the first file is the first file's.
  appendFileSync(`${path}.1`, 'late\n');
  await eventually(async () => {
    expect(await listFiles(store)).toEqual([
      { host: hostname(), file: path, lines: 1 },
      { host: hostname(), file: path, lines: 101 },
    ]);
  });
  await holds(url, 'second\n');

  // Also in a later run, which finds it under another name.
  expect(await forwarder.stop()).toBe(0);
  appendFileSync(`${path}.1`, 'later\n');
  const next = await forward(store, dirs, [`${path}*`]);
  const ofFirst = await eventually(() => {
    const printed = [...next.stderr().matchAll(/download (\S+)/g)].map(([, text = '']) => new URL(text));
    const found = printed.find(({ searchParams }) => searchParams.has('generation'));
    if (found === undefined) throw new Error(`no address of the rotated file in ${next.stderr()}`);
    return found;
  });
  expect(ofFirst.searchParams.get('file')).toBe(path);
  await holds(ofFirst, `${first}late\nlater\n`);
  await holds(url, 'second\n');
  expect(await next.stop()).toBe(0);
});
