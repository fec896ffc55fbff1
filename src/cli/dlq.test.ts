import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { main } from './main.ts';
import { createTestIo } from './test-io.case.ts';

let directory: string;

const first = [
  '{"time":"2025-11-21T10:00:00.000Z","stage":"ingest","reason":"record 3 missing path","record":{"id":12345678901234567890,"x":1.0},"source":"request a"}',
  '{"time":"2025-11-21T11:00:00.000Z","stage":"ingest","reason":"record 7 missing path","record":{"path":"\\",\\"source\\":"},"source":"request a"}',
  '{"time":"2025-11-21T11:00:01.000Z","stage":"ingest","reason":"record 0 invalid timestamp \\"yesterday\\"","raw":"not json\\u001b[2J","source":"request b"}',
];
const second = [
  '{"time":"2025-11-22T00:00:00.000Z","stage":"consume","reason":"cannot decode message","raw":"\\u0000\\u0001","source":"logs/0@17"}',
  '{"time":"2025-11-22T00:00:01.000Z","stage":"ingest","reason":"row 2 missing path","raw":"2025,,x","source":"request c"}',
];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'logforge-dlq-'));
  await writeFile(join(directory, '2025-11-21.ndjson'), `${first.join('\n')}\n`);
  await writeFile(join(directory, '2025-11-22.ndjson'), `${second.join('\n')}\n\nnot json\n{"time":1}\n[]\nnull\n`);
  await writeFile(join(directory, 'notes.txt'), 'not ours\n');
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function dlq(args: readonly string[], where: readonly string[] = ['--dlq-dir', directory]) {
  const { io, stdout, stderr } = createTestIo();
  return { code: await main(['dlq', ...args, ...where], io), stdout: stdout(), stderr: stderr() };
}

describe('list', () => {
  test('counts by day, stage and reason, the reasons without what differs from record to record', async () => {
    expect(await dlq(['list'])).toEqual({
      code: 0,
      stdout: [
        'DAY         STAGE    STREAM  COUNT  REASON',
        '2025-11-21  ingest   access      2  missing path',
        '2025-11-21  ingest   access      1  invalid timestamp "…"',
        '2025-11-22  consume  access      1  cannot decode message',
        '2025-11-22  ingest   access      1  missing path',
        '',
      ].join('\n'),
      stderr: 'logforge dlq: 4 lines could not be read\n',
    });
  });

  test('takes one day and one stage', async () => {
    const { stdout } = await dlq(['list', '--day', '2025-11-22', '--stage', 'ingest', '--json']);
    expect(stdout).toBe('{"day":"2025-11-22","stage":"ingest","stream":"access","reason":"missing path","count":1}\n');
  });

  test('counts by stream, takes one stream, and cannot read a letter whose stream is a path', async () => {
    const several = join(directory, 'streams');
    await mkdir(several);
    const letter = (stream: string) =>
      `{"time":"t","stage":"ingest"${stream},"reason":"missing level","raw":"r","source":""}\n`;
    const lines = [letter(''), letter(',"stream":"events"'), letter(',"stream":"events"'), letter(',"stream":"../x"')];
    await writeFile(join(several, '2025-01-01.ndjson'), lines.join(''));
    const all = await dlq(['list', '--json'], ['--dlq-dir', several]);
    expect(
      all.stdout
        .trimEnd()
        .split('\n')
        .map((row) => [JSON.parse(row).stream, JSON.parse(row).count]),
    ).toEqual([
      ['access', 1],
      ['events', 2],
    ]);
    expect(all.stderr).toBe('logforge dlq: 1 line could not be read\n');
    const one = await dlq(['show', '--stream', 'events'], ['--dlq-dir', several]);
    expect(one.stdout).toBe('t ingest events: missing level\n  r\n'.repeat(2));
  });

  test('counts what is beyond a thousand reasons together', async () => {
    const many = join(directory, 'many');
    await mkdir(many);
    const lines = Array.from(
      { length: 1_003 },
      (_, i) => `{"time":"t","stage":"ingest","reason":"reason ${i}","raw":"","source":""}\n`,
    );
    await writeFile(join(many, '2025-01-01.ndjson'), lines.join(''));
    const { stdout } = await dlq(['list', '--json'], ['--dlq-dir', many]);
    const rows = stdout.trimEnd().split('\n');
    expect(rows).toHaveLength(1_001);
    expect(rows[0]).toBe(
      '{"day":"2025-01-01","stage":"ingest","stream":"access","reason":"(other reasons)","count":3}',
    );
  });

  test('says so when there are none, also of a directory that is not there', async () => {
    expect(await dlq(['list'], ['--dlq-dir', join(directory, 'none')])).toEqual({
      code: 0,
      stdout: 'no dead letters\n',
      stderr: '',
    });
    expect((await dlq(['list', '--day', '2001-01-01'])).stdout).toBe('no dead letters\n');
    expect((await dlq(['list', '--day', '2001-01-01', '--json'])).stdout).toBe('');
  });

  test('a directory that cannot be read is a failure', async () => {
    const { code, stderr } = await dlq(['list'], ['--dlq-dir', join(directory, 'notes.txt')]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^logforge dlq list: cannot read the folder storage.dlqDir=.*notes\.txt: ENOTDIR/);
  });
});

describe('show', () => {
  test('prints reason and content, the newest last, fit for a terminal, and no number bent', async () => {
    const { code, stdout } = await dlq(['show']);
    expect(code).toBe(0);
    expect(stdout).toBe(
      [
        '2025-11-21T10:00:00.000Z ingest request a: record 3 missing path',
        '  {"id":12345678901234567890,"x":1.0}',
        '2025-11-21T11:00:00.000Z ingest request a: record 7 missing path',
        '  {"path":"\\",\\"source\\":"}',
        '2025-11-21T11:00:01.000Z ingest request b: record 0 invalid timestamp "yesterday"',
        '  not json\\u001b[2J',
        '2025-11-22T00:00:00.000Z consume logs/0@17: cannot decode message',
        '  \\u0000\\u0001',
        '2025-11-22T00:00:01.000Z ingest request c: row 2 missing path',
        '  2025,,x',
        '',
      ].join('\n'),
    );
  });

  test('prints the record of a line that somebody edited as it is written', async () => {
    const edited = join(directory, 'edited');
    await mkdir(edited);
    const line = ' { "record" : {"n":1.0,"p\\u0061th":"/"} , "time":"t","stage":"ingest","reason":"r" }';
    await writeFile(join(edited, '2025-01-01.ndjson'), `{"p\\\\u0":1}\n${line}\n`);
    expect((await dlq(['show'], ['--dlq-dir', edited])).stdout).toBe('t ingest: r\n  {"n":1.0,"p\\u0061th":"/"}\n');
  });

  test.each([
    [['--limit', '1'], [second[1]]],
    [['--limit', '2'], second],
    [
      ['--limit', '3'],
      [first[2], ...second],
    ],
    [
      ['--limit', '5'],
      [...first, ...second],
    ],
    [
      ['--limit', '6'],
      [...first, ...second],
    ],
    [
      ['--limit', '0'],
      [...first, ...second],
    ],
    [
      ['--limit', '2', '--stage', 'ingest'],
      [first[2], second[1]],
    ],
    [['--limit', '2', '--day', '2025-11-21'], first.slice(1)],
    [['--day', '2001-01-01'], []],
  ])('%j --json prints stored lines', async (args, lines) => {
    expect((await dlq(['show', '--json', ...args])).stdout).toBe(lines.map((line) => `${line}\n`).join(''));
  });

  test('says so when there are none, and how many lines could not be read', async () => {
    expect(await dlq(['show', '--stage', 'consume', '--day', '2025-11-21'])).toEqual({
      code: 0,
      stdout: 'no dead letters\n',
      stderr: '',
    });
    expect((await dlq(['show', '--day', '2025-11-22'])).stderr).toBe('logforge dlq: 4 lines could not be read\n');
  });
});

describe('a file of another program', () => {
  const letter = (day: string, reason: string) =>
    `{"time":"${day}T07:00:00.000Z","stage":"input","reason":"${reason}","record":{"x":1.0},"source":"/a.log:1"}`;
  const letters = [letter('2026-11-28', 'b'), letter('2026-11-27', 'a'), letter('2026-11-28', 'b')];
  let file: readonly [string, string];

  beforeAll(async () => {
    const path = join(directory, 'letters.ndjson');
    await writeFile(path, `${letters.join('\n')}\njunk\n`);
    file = ['--file', path];
  });

  test('is listed by the days of its letters, and shown', async () => {
    const { stdout, stderr } = await dlq(['list', '--json'], file);
    const about = '"stage":"input","stream":"access"';
    expect(stdout).toBe(
      `{"day":"2026-11-27",${about},"reason":"a","count":1}\n{"day":"2026-11-28",${about},"reason":"b","count":2}\n`,
    );
    expect(stderr).toBe('logforge dlq: 1 line could not be read\n');
    expect((await dlq(['show', '--json', '--from', '2026-11-28'], file)).stdout).toBe(`${letters[0]}\n${letters[2]}\n`);
    expect((await dlq(['show', '--json', '--limit', '1', '--stage', 'input'], file)).stdout).toBe(`${letters[2]}\n`);
    expect((await dlq(['replay', '--dry-run'], file)).stdout).toBe(
      'would send 3 letters of stage input, 1 line unreadable\n',
    );
  });

  test('is not read beside the folder of a service, and must be there', async () => {
    const both = await dlq(['list', ...file]);
    expect([both.code, both.stderr]).toEqual([
      2,
      expect.stringContaining('give either --file, or --dlq-dir or --config'),
    ]);
    const missing = await dlq(['list'], ['--file', join(directory, 'missing.ndjson')]);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('missing.ndjson')]);
  });
});
