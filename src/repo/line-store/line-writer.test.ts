import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished, vi } from 'vitest';
import { type FoundLog, PIECE_BYTES } from '../../model/line-store.ts';
import { openToRead, openToWrite } from './database.ts';
import { createLineReader } from './line-reader.ts';
import { LineWriter } from './line-writer.ts';

function makePath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'logforge-lines-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'lines.db');
}

function open(path = makePath()) {
  const database = openToWrite(path);
  const reading = openToRead(path);
  const close = () => {
    for (const each of [reading, database]) if (each.isOpen) each.close();
  };
  onTestFinished(close);
  const writer = new LineWriter(database, { maxLineBytes: 1024 * 1024 });
  return { path, database, writer, reader: createLineReader(reading), close };
}

type Parts = Partial<Record<'host' | 'file' | 'generation' | 'content', string>>;

const line = (number: number, parts: Parts = {}) => ({
  host: 'h',
  file: '/f',
  'line-num': number,
  content: `line ${number}`,
  ...parts,
});

const body = (lines: readonly object[]) => Buffer.from(JSON.stringify({ batch: lines, size: lines.length }));

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

/** All of a log: its pieces put together. */
function readAll(
  { reader }: Pick<ReturnType<typeof open>, 'reader'>,
  { host = 'h', file = '/f', generation }: Parts = {},
  { from = 0, to }: { readonly from?: number; readonly to?: number } = {},
) {
  const log = reader.find({ host, file, ...(generation !== undefined && { generation }) });
  if (log === undefined) return undefined;
  const total = { text: '', lines: 0, missing: 0, pieces: 0 };
  for (let next: number | undefined = from; next !== undefined; ) {
    const piece = reader.read({ id: log.id, from: next, to: to ?? log.last + 1 });
    total.text += Buffer.from(piece.bytes).toString();
    total.lines += piece.lines;
    total.missing += piece.missing;
    total.pieces++;
    next = piece.next;
  }
  return total;
}

it('gives lines back in the order of their numbers, whatever the order in which they came', async () => {
  const store = open();
  expect(await store.writer.append(body([line(2), line(0)]))).toMatchObject({ kind: 'stored', lines: 2 });
  expect(await store.writer.append(body([line(1)]))).toMatchObject({ kind: 'stored', lines: 1 });
  expect(readAll(store)).toEqual({ text: 'line 0\nline 1\nline 2\n', lines: 3, missing: 0, pieces: 1 });
});

it('overwrites a line that comes again, and counts it once', async () => {
  const store = open();
  await store.writer.append(body([line(0), line(1)]));
  await store.writer.append(body([line(0), line(1, { content: 'new' }), line(1, { content: 'newer' }), line(2)]));
  expect(readAll(store)?.text).toBe('line 0\nnewer\nline 2\n');
  expect(store.reader.list(undefined)).toMatchObject([{ host: 'h', file: '/f', lines: 3, last: 2 }]);
});

it('keeps hosts, files and generations apart, and shows the newest generation', async () => {
  const store = open();
  const logs = [{ file: '/g' }, { host: 'i' }, { generation: 'b' }, { generation: 'a' }];
  await store.writer.append(body([line(0), ...logs.map((log) => line(0, { ...log, content: JSON.stringify(log) }))]));
  for (const log of logs.slice(0, 2)) expect(readAll(store, log)?.text).toBe(`${JSON.stringify(log)}\n`);
  expect(readAll(store)?.text).toBe('{"generation":"a"}\n');
  expect(readAll(store, { generation: 'b' })?.text).toBe('{"generation":"b"}\n');
  expect(readAll(store, { generation: '' })?.text).toBe('line 0\n');
  expect(readAll(store, { generation: 'c' })).toBeUndefined();
  expect(store.reader.list(undefined).map(({ host, file, generation }) => [host, file, generation])).toEqual([
    ['h', '/f', 'a'],
    ['h', '/f', 'b'],
    ['h', '/f', ''],
    ['h', '/g', ''],
    ['i', '/f', ''],
  ]);
});

it.each([
  'a b',
  'ü\u{1f600}',
  '&=%41',
  'a\nb',
  'x'.repeat(4096),
  '../..',
  "'; DROP TABLE lines; --",
  'a\0b',
  'a\0c',
])('keeps the name %j and content like it', async (name) => {
  const store = open();
  await store.writer.append(body([line(0, { host: name, file: name, generation: name.slice(0, 256), content: name })]));
  expect(readAll(store, { host: name, file: name })?.text).toBe(`${name}\n`);
  expect(readAll(store, { host: name, file: `${name}x` })).toBeUndefined();
  expect(store.reader.list(undefined)).toMatchObject([{ host: name, file: name }]);
});

it('counts numbers that no line has, and reads a range of numbers', async () => {
  const store = open();
  const last = Number.MAX_SAFE_INTEGER;
  await store.writer.append(body([line(2), line(3), line(7), line(last, { content: 'end' })]));
  expect(readAll(store)).toMatchObject({ text: 'line 2\nline 3\nline 7\nend\n', missing: last + 1 - 4 });
  expect(readAll(store, {}, { from: 3, to: 7 })).toMatchObject({ text: 'line 3\n', missing: 3 });
  expect(readAll(store, {}, { from: 3, to: 8 })).toMatchObject({ text: 'line 3\nline 7\n', missing: 3 });
  expect(readAll(store, {}, { from: 8, to: 100 })).toMatchObject({ text: '', lines: 0, missing: 92 });
  expect(readAll(store, {}, { from: last })).toMatchObject({ text: 'end\n', missing: 0 });
});

it('stores nothing of a batch with a wrong line, and the batches that share its commit', async () => {
  const store = open();
  const outcomes = await Promise.all([
    store.writer.append(body([line(0)])),
    store.writer.append(body([line(1), line(-1)])),
    store.writer.append(Buffer.from('{')),
    store.writer.append(body([line(2)])),
  ]);
  expect(outcomes).toMatchObject([
    { kind: 'stored', commitSeconds: expect.any(Number) },
    { kind: 'invalid', index: 1, field: 'line-num' },
    { kind: 'malformed' },
    { kind: 'stored' },
  ]);
  expect(outcomes[3]).not.toHaveProperty('commitSeconds');
  expect(readAll(store)).toMatchObject({ text: 'line 0\nline 2\n', missing: 1 });
});

it('reads a long log in pieces of bounded size', async () => {
  const store = open();
  const content = 'x'.repeat(1000);
  for (let from = 0; from < 2_000; from += 500)
    await store.writer.append(body(numbers(from, from + 500).map((number) => line(number, { content }))));
  await store.writer.append(body([line(2_000, { content: 'y'.repeat(1024 * 1024) }), line(2_001)]));
  const log = store.reader.find({ host: 'h', file: '/f' }) as FoundLog;
  const piece = store.reader.read({ id: log.id, from: 0, to: log.last + 1 });
  expect(piece.bytes.length).toBeLessThan(PIECE_BYTES + 1_001);
  const all = readAll(store);
  expect(all?.text).toBe(`${`${content}\n`.repeat(2_000)}${'y'.repeat(1024 * 1024)}\nline 2001\n`);
  expect(all?.pieces).toBeGreaterThan(8);
});

it('lists logs a page at a time', async () => {
  const store = open();
  await store.writer.append(body(numbers(0, 1_100).map((number) => line(0, { file: String(number), host: 'a' }))));
  const pages: (readonly FoundLog[])[] = [];
  for (let after: FoundLog | undefined; pages.at(-1)?.length !== 0; after = pages.at(-1)?.at(-1))
    pages.push(store.reader.list(after));
  expect(pages.map(({ length }) => length)).toEqual([500, 500, 100, 0]);
  const files = pages.flat().map(({ file }) => file);
  expect(files).toEqual(numbers(0, 1_100).map(String).toSorted());
});

it('goes on after a failed commit with what was stored before', async () => {
  const store = open();
  await store.writer.append(body([line(0)]));
  // As many pages as it has: the next line needs one more.
  const { page_count: pages } = store.database.prepare('PRAGMA page_count').get() ?? {};
  store.database.exec(`PRAGMA max_page_count = ${pages}`);
  const long = { content: 'x'.repeat(100_000) };
  const outcomes = await Promise.all([
    store.writer.append(body([line(1)])),
    store.writer.append(body([line(2, long), line(0, { file: '/new', ...long })])),
  ]);
  const full = { kind: 'unavailable', reason: expect.stringContaining('the disk is full') };
  expect(outcomes).toEqual([full, full]);
  expect(readAll(store)?.text).toBe('line 0\n');
  store.database.exec('PRAGMA max_page_count = 1000000');
  expect(await store.writer.append(body([line(1), line(0, { file: '/new' })]))).toMatchObject({ kind: 'stored' });
  expect(store.reader.list(undefined)).toMatchObject([
    { file: '/f', lines: 2, last: 1 },
    { file: '/new', lines: 1, last: 0 },
  ]);
});

it('answers each batch and goes on, when a commit cannot be rolled back either', async () => {
  const store = open();
  await store.writer.append(body([line(0)]));
  const exec = store.database.exec.bind(store.database);
  const failing = ['COMMIT', 'ROLLBACK'];
  vi.spyOn(store.database, 'exec').mockImplementation((sql) => {
    if (sql === failing[0]) throw new Error(`disk I/O error in ${failing.shift()}`);
    exec(sql);
  });
  const failed = await store.writer.append(body([line(1), line(0, { file: '/new' })]));
  expect(failed).toEqual({ kind: 'unavailable', reason: 'disk I/O error in COMMIT' });
  expect(failing).toEqual([]);
  expect(await store.writer.append(body([line(2), line(0, { file: '/other' })]))).toMatchObject({ kind: 'stored' });
  expect(store.reader.list(undefined).map(({ id, file, lines, last }) => [id, file, lines, last])).toEqual([
    [1, '/f', 2, 2],
    [2, '/other', 1, 0],
  ]);
});

it('knows its logs again after a start', async () => {
  const first = open();
  await first.writer.append(body([line(0), line(1, { file: '/g' })]));
  first.close();
  const second = open(first.path);
  await second.writer.append(body([line(0), line(1), line(5, { file: '/g' }), line(0, { file: '/h' })]));
  expect(second.reader.list(undefined).map(({ file, lines, last }) => [file, lines, last])).toEqual([
    ['/f', 2, 1],
    ['/g', 2, 5],
    ['/h', 1, 0],
  ]);
});

it.each<[string, (path: string) => void, string]>([
  ['text', (path) => writeFileSync(path, 'not a database'.repeat(100)), 'the database is damaged'],
  ['a database that was cut', (path) => truncateSync(path, 20_000), 'the database is damaged'],
  [
    'a database whose schema is overwritten',
    (path) => {
      const database = new DatabaseSync(path);
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      database.close();
      writeFileSync(path, Buffer.alloc(4096, 1), { flag: 'r+' });
    },
    'the database is damaged',
  ],
])('does not open %s, and says what to do', async (_, damage, message) => {
  const store = open();
  await store.writer.append(body(numbers(0, 1000).map((number) => line(number))));
  store.close();
  damage(store.path);
  for (const openAgain of [openToWrite, openToRead]) {
    expect(() => openAgain(store.path).close()).toThrow(message);
    expect(() => openAgain(store.path).close()).toThrow(`path=${store.path}`);
    expect(() => openAgain(store.path).close()).toThrow('sqlite3 FILE .recover');
  }
});

it('does not open a database of another program, and changes nothing of it', () => {
  const path = makePath();
  const other = new DatabaseSync(path);
  other.exec('CREATE TABLE t (a); INSERT INTO t VALUES (1)');
  for (const openOther of [openToWrite, openToRead])
    expect(() => openOther(path).close()).toThrow('it is a database of another program; choose another file');
  expect(other.prepare('SELECT name FROM sqlite_schema').all()).toEqual([{ name: 't' }]);
  expect(other.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'delete' });
  other.close();
});

it('says that a reader needs a database', () => {
  expect(() => openToRead(makePath())).toThrow('a reader needs a database that a writer has made');
});
