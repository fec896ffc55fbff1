import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { hostname } from 'node:os';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { type Client, createClient } from '../support/client.ts';
import { type Dirs, launch, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually } from '../support/storage.ts';

interface Store {
  readonly service: Service;
  readonly client: Client;
  readonly dirs: Dirs;
}

async function start(
  options: {
    dirs?: Dirs;
    args?: string[];
    command?: 'serve' | 'store';
    env?: Record<string, string>;
    wrapper?: string[];
  } = {},
): Promise<Store> {
  const { dirs: given, command = 'store', ...others } = options;
  const dirs = given ?? (await makeDirs());
  if (given === undefined) onTestFinished(() => removeDirs(dirs));
  const service = await startService({ command, dirs, ...others });
  const client = createClient(service.port);
  onTestFinished(async () => {
    client.close();
    await service.stop('SIGKILL');
  });
  return { service, client, dirs };
}

type Line = readonly [number: number, content: string];

const bodyOf = (host: string, file: string, lines: readonly Line[], more: object = {}) =>
  JSON.stringify({
    batch: lines.map(([number, content]) => ({
      uuid: crypto.randomUUID(),
      host,
      file,
      'line-num': number,
      content,
      ...more,
    })),
    size: lines.length,
  });

/** As the seed's forwarder does. */
const post = ({ client }: Pick<Store, 'client'>, body: string | Buffer, headers: Record<string, string> = {}) =>
  client.post(body, { Accept: 'application/json', ...headers }, '/store/batch');

const logPath = (host: string, file: string, more = '') =>
  `/store/log?host=${encodeURIComponent(host)}&file=${encodeURIComponent(file)}${more}`;

/** A log as text, with its trailers. */
async function download({ service }: Pick<Store, 'service'>, path: string) {
  const agent = new Agent();
  const [response] = await once(get({ host: '127.0.0.1', port: service.port, path, agent }), 'response');
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part);
  agent.destroy();
  const { 'x-lines': lines, 'x-missing-lines': missing } = response.trailers;
  return {
    status: response.statusCode,
    text: Buffer.concat(parts).toString(),
    lines,
    missing,
    headers: response.headers,
  };
}

it("does the seed's walkthrough", async () => {
  const store = await start();
  const { client } = store;
  const imok = await client.get('/ruok', { Accept: 'application/transit+json' });
  expect([imok.status, imok.body]).toEqual([200, 'imok']);
  expect(imok.headers['x-guid']).toMatch(/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/);
  expect(imok.headers['x-request-id']).toMatch(/./);

  const host = hostname();
  const files = {
    '/Users/scott/log-aggregator/test1.txt': Array.from({ length: 10 }, (_, i) => String(i + 1)),
    '/Users/scott/log-aggregator/test2.txt': Array.from({ length: 11 }, (_, i) => String(i + 100)),
  };
  // Two lines a batch, and the last odd one alone; both files at once, as two forwarders send them.
  const forward = async (file: string, texts: readonly string[], first = 0) => {
    for (let at = 0; at < texts.length; at += 2) {
      const lines = texts.slice(at, at + 2).map((text, index): Line => [first + at + index, text]);
      const answer = await post(store, bodyOf(host, file, lines));
      expect([answer.status, answer.body]).toEqual([200, JSON.stringify({ stored: lines.length })]);
      expect(answer.headers['x-guid']).toMatch(/^[0-9a-f-]{36}$/);
    }
  };
  await Promise.all(Object.entries(files).map(([file, texts]) => forward(file, texts)));
  for (const [file, texts] of Object.entries(files)) {
    expect(await download(store, logPath(host, file))).toMatchObject({
      status: 200,
      text: `${texts.join('\n')}\n`,
      lines: String(texts.length),
      missing: '0',
      headers: { 'content-type': 'text/plain; charset=utf-8', trailer: 'X-Lines, X-Missing-Lines' },
    });
  }
  // As a browser sends the walkthrough's link: nothing of the path escaped.
  const [file = ''] = Object.keys(files);
  expect((await client.get(`/store/log?host=${host}&file=${file}`)).body).toBe(
    `${files[file as keyof typeof files].join('\n')}\n`,
  );

  await forward(file, ['hello', 'world'], 10);
  expect((await download(store, logPath(host, file))).text).toMatch(/\n10\nhello\nworld\n$/);
  expect(JSON.parse((await client.get('/store/files')).body)).toEqual({
    files: [
      { host, file, lines: 12, last: 11 },
      { host, file: '/Users/scott/log-aggregator/test2.txt', lines: 11, last: 10 },
    ],
  });

  const unknown = await client.get(logPath('nobody', '/no/file'));
  expect(JSON.parse(unknown.body)).toMatchObject({ status: 404, detail: 'key not found nobody /no/file' });
  expect(await store.service.stop()).toEqual({ code: 0, signal: null });
  // Ended in order, the database is one file.
  expect(existsSync(join(store.dirs.root, 'store/lines.db'))).toBe(true);
  expect(existsSync(join(store.dirs.root, 'store/lines.db-wal'))).toBe(false);
});

it('takes odd names, packed bodies, generations and ranges, and counts what is missing', async () => {
  const store = await start();
  const name = 'ü&=%41 a\nb\u{1f600}';
  const body = Buffer.from(
    bodyOf(name, name, [
      [1, 'b'],
      [0, 'a\r'],
      [5, ''],
    ]),
  );
  for (const [coding, packed] of [
    ['gzip', zlib.gzipSync(body)],
    ['zstd', zlib.zstdCompressSync(body)],
  ] as const)
    expect((await post(store, packed, { 'Content-Encoding': coding })).status).toBe(200);
  expect(await download(store, logPath(name, name))).toMatchObject({ text: 'a\r\nb\n\n', lines: '3', missing: '3' });
  expect(await download(store, logPath(name, name, '&from=1&to=3'))).toMatchObject({ text: 'b\n', missing: '1' });
  await post(store, bodyOf(name, name, [[0, 'new']], { generation: 'g2' }));
  expect((await download(store, logPath(name, name))).text).toBe('new\n');
  expect((await download(store, logPath(name, name, '&generation='))).text).toBe('a\r\nb\n\n');
  const file = 'ü'.repeat(1365);
  await post(store, bodyOf('h', file, [[2 ** 53 - 1, 'x'.repeat(1024 * 1024)]]));
  const far = await download(store, logPath('h', file, `&from=${2 ** 53 - 1}`));
  expect([far.text.length, far.missing]).toEqual([1024 * 1024 + 1, '0']);
  expect((await store.client.get('/metrics')).body).toMatch(/^logforge_line_store_lines_total 8$/m);
});

it('stores nothing of a batch that is wrong at one line, and says where', async () => {
  const store = await start({ env: { LOGFORGE_SERVER_MAX_BODY_BYTES: '64KiB' } });
  const wrong = await post(
    store,
    bodyOf('h', '/f', [
      [0, 'a'],
      [-1, 'b'],
    ]),
  );
  expect([wrong.status, wrong.headers['content-type']]).toEqual([400, 'application/problem+json']);
  expect(JSON.parse(wrong.body)).toMatchObject({
    type: 'urn:logforge:problem:invalid-lines',
    detail: 'batch[1].line-num must be a whole number from 0 to 9007199254740991, is -1; nothing was stored',
    errors: [{ index: 1, field: 'line-num' }],
  });
  const sizes = await post(store, bodyOf('h', '/f', [[0, 'a']]).replace('"size":1', '"size":2'));
  expect([sizes.status, JSON.parse(sizes.body).detail]).toEqual([400, expect.stringContaining('size must be')]);
  expect((await post(store, bodyOf('h', '/f', [[0, 'x'.repeat(65_536)]]))).status).toBe(413);
  expect((await store.client.get(logPath('h', '/f'))).status).toBe(404);
  expect((await store.client.post('[]', {}, '/logs')).status).toBe(404);
  expect((await store.client.get('/store/batch')).headers.allow).toBe('POST');
});

it('keeps what was answered through kill -9, at any moment', async () => {
  const dirs = await makeDirs();
  onTestFinished(() => removeDirs(dirs));
  const answered = new Map<number, string>();
  const texts = new Map<number, string>();
  let next = 0;
  for (const ms of [1, 40, 120]) {
    const store = await start({ dirs });
    const begun = answered.size;
    const send = async () => {
      for (;;) {
        const lines = Array.from({ length: 50 }, (): Line => [next++, randomBytes(40).toString('hex')]);
        for (const [number, text] of lines) texts.set(number, text);
        if ((await post(store, bodyOf('h', '/f', lines))).status !== 200) return;
        for (const [number, text] of lines) answered.set(number, text);
      }
    };
    const senders = [send(), send(), send()];
    await eventually(() => expect(answered.size).toBeGreaterThan(begun + ms * 10));
    store.service.signal('SIGKILL');
    await Promise.all([...senders, store.service.exited]);
  }
  const store = await start({ dirs });
  const { text, lines } = await download(store, logPath('h', '/f'));
  const stored = text.split('\n').slice(0, -1);
  expect(Number(lines)).toBe(stored.length);
  const { files } = JSON.parse((await store.client.get('/store/files')).body);
  expect(files).toMatchObject([{ lines: stored.length }]);
  // Lines of a batch that was not answered may be there: whole, and as they were sent.
  const byText = new Set(stored);
  expect([...answered.values()].filter((line) => !byText.has(line))).toEqual([]);
  const sent = new Set(texts.values());
  expect(stored.filter((line) => !sent.has(line))).toEqual([]);
}, 30_000);

it('reads beside a writer with --read-only, from several processes, and refuses a second writer', async () => {
  const dirs = await makeDirs();
  onTestFinished(() => removeDirs(dirs));
  const early = launch({ command: 'store', dirs, args: ['--read-only'] });
  expect((await early.exited).code).toBe(1);
  expect(early.logs()).toContain('a reader needs a database that a writer has made');

  const writer = await start({ dirs });
  await post(writer, bodyOf('h', '/f', [[0, 'a']]));
  const readers = await Promise.all([1, 2].map(() => start({ dirs, args: ['--read-only'] })));
  await post(writer, bodyOf('h', '/f', [[1, 'b']]));
  for (const reader of readers) {
    expect((await download(reader, logPath('h', '/f'))).text).toBe('a\nb\n');
    const refused = await post(reader, bodyOf('h', '/f', [[2, 'c']]));
    expect([refused.status, JSON.parse(refused.body).detail]).toEqual([403, expect.stringContaining('--read-only')]);
  }
  const second = launch({ command: 'store', dirs });
  expect((await second.exited).code).toBe(1);
  expect(second.logs()).toMatch(/another logforge process owns .*lines\.db/);

  // A reader goes on when its writer is killed, and sees the next one's lines.
  await writer.service.stop('SIGKILL');
  for (const reader of readers) expect((await download(reader, logPath('h', '/f'))).text).toBe('a\nb\n');
  const next = await start({ dirs });
  await post(next, bodyOf('h', '/f', [[2, 'c']]));
  for (const reader of readers) expect((await download(reader, logPath('h', '/f'))).text).toBe('a\nb\nc\n');
});

it('answers 503 while the disk is full, loses nothing that was answered, and goes on', async () => {
  const limit = 512 * 1024;
  const store = await start({ wrapper: ['prlimit', `--fsize=${limit}:unlimited`] });
  const content = 'x'.repeat(1_000);
  const batch = (from: number) =>
    bodyOf(
      'h',
      '/f',
      Array.from({ length: 50 }, (_, i): Line => [from + i, content]),
    );
  let stored = 0;
  let answer = await post(store, batch(0));
  for (; answer.status === 200; answer = await post(store, batch(stored))) {
    stored += 50;
    expect(stored).toBeLessThan(5_000);
  }
  expect([answer.status, answer.headers['retry-after']]).toEqual([503, '5']);
  expect(JSON.parse(answer.body).detail).toContain('nothing was stored');
  expect(await download(store, logPath('h', '/f'))).toMatchObject({ status: 200, lines: String(stored) });
  execFileSync('prlimit', ['--pid', String(store.service.pid), '--fsize=unlimited:unlimited']);
  expect((await post(store, batch(stored))).status).toBe(200);
  expect(await download(store, logPath('h', '/f'))).toMatchObject({ lines: String(stored + 50), missing: '0' });
});

it('does not start on a damaged database, and says what to do', async () => {
  const dirs = await makeDirs();
  onTestFinished(() => removeDirs(dirs));
  const path = join(dirs.root, 'damaged.db');
  writeFileSync(path, randomBytes(50_000));
  const failed = launch({ command: 'store', dirs, args: ['--db', path] });
  expect((await failed.exited).code).toBe(1);
  expect(failed.logs()).toContain(`cannot open the line store path=${path}: the database is damaged`);
  expect(failed.logs()).toContain('start again, and let the forwarders send their files again');
});

it('ends the read of a client that goes away, and takes as many at once as it may', async () => {
  const store = await start({ env: { LOGFORGE_STORE_MAX_READERS: '1' } });
  const content = 'x'.repeat(100_000);
  for (let from = 0; from < 500; from += 100)
    await post(
      store,
      bodyOf(
        'h',
        '/f',
        Array.from({ length: 100 }, (_, i): Line => [from + i, content]),
      ),
    );
  const outgoing = get({ host: '127.0.0.1', port: store.service.port, path: logPath('h', '/f') });
  outgoing.on('error', () => undefined);
  // Its body is not read: 50 MB do not fit between the two.
  const [response] = await once(outgoing, 'response');
  response.on('error', () => undefined);
  expect((await store.client.get(logPath('h', '/f'))).status).toBe(503);
  expect((await store.client.get('/metrics')).body).toMatch(/^logforge_line_store_readers 1$/m);
  outgoing.destroy();
  await eventually(async () =>
    expect((await store.client.get('/metrics')).body).toMatch(/^logforge_line_store_readers 0$/m),
  );
  expect((await download(store, logPath('h', '/f', '&from=499'))).lines).toBe('1');
});

it.each(['1', '2'])('is a part of logforge serve, too, with %s threads', async (threads) => {
  const env = { LOGFORGE_STORE_ENABLED: 'true', LOGFORGE_SERVER_THREADS: threads };
  const store = await start({ command: 'serve', env });
  expect((await post(store, bodyOf('h', '/f', [[0, 'a']]))).status).toBe(200);
  expect(await download(store, logPath('h', '/f'))).toMatchObject({ text: 'a\n', lines: '1', missing: '0' });
  expect(JSON.parse((await store.client.get('/store/files')).body).files).toHaveLength(1);
  expect(JSON.parse((await store.client.get('/ready')).body).checks.lineStore).toEqual({ ok: true, detail: 'ok' });
  expect(await store.service.stop()).toEqual({ code: 0, signal: null });
});
