import { appendFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_REJECT_BYTES, openDeadLetterFile, openRejectsFile } from './line-files.ts';
import type { Reject } from './outputs.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'logforge-line-files-'));
  path = join(folder, 'rejects.ndjson');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const reject = (number: number, bytes: Buffer | string = 'junk'): Reject => ({
  time: Date.UTC(2026, 10, 28, 7),
  file: '/var/log/a.log',
  number,
  reason: 'no time',
  bytes: Buffer.from(bytes),
});

async function linesOf(): Promise<unknown[]> {
  const text = await readFile(path, 'utf8');
  expect(text.endsWith('\n')).toBe(true);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

describe('the file of rejects', () => {
  it('keeps each line with its place and reason, as text or in base64', async () => {
    const file = await openRejectsFile(path);
    await file.add([reject(3), reject(4, 'a\u2028"\\\r')]);
    await file.add([reject(5, Buffer.from([0xff, 10]))]);
    const about = { time: '2026-11-28T07:00:00.000Z', file: '/var/log/a.log', reason: 'no time' };
    expect(await linesOf()).toEqual([
      { ...about, number: 3, line: 'junk' },
      { ...about, number: 4, line: 'a\u2028"\\\r' },
      { ...about, number: 5, line: 'base64:/wo=' },
    ]);
    await file.close();
  });

  it('bounds a line, and says how long it was', async () => {
    const file = await openRejectsFile(path);
    await file.add([reject(1, Buffer.alloc(MAX_REJECT_BYTES + 7, 'x'))]);
    const [line] = (await linesOf()) as { line: string; length: number }[];
    expect([line?.line.length, line?.length]).toEqual([MAX_REJECT_BYTES, MAX_REJECT_BYTES + 7]);
    await file.close();
  });

  it('is appended to, by many at once, each line whole', async () => {
    const first = await openRejectsFile(path);
    await first.add([reject(0)]);
    await first.close();
    const file = await openRejectsFile(path);
    await Promise.all(Array.from({ length: 100 }, (_, i) => file.add([reject(i + 1)])));
    await file.add([]);
    expect((await linesOf()).map((line) => (line as Reject).number)).toEqual(Array.from({ length: 101 }, (_, i) => i));
    await file.close();
  });

  it('mends what a killed run left at its end, and says so', async () => {
    await appendFile(path, '{"number":1}\n{"numb');
    const file = await openRejectsFile(path);
    expect(file.mended).toBe(`${path}: the last line was not whole; its 6 bytes were cut off`);
    await file.add([reject(2)]);
    expect((await linesOf()).map((line) => (line as Reject).number)).toEqual([1, 2]);
    await file.close();
  });

  it('says which file cannot be opened', async () => {
    await mkdir(path);
    await expect(openRejectsFile(path)).rejects.toThrow(`cannot open path=${path}: `);
  });
});

describe('the file of dead letters', () => {
  it('has the form of the letters of the service', async () => {
    const file = await openDeadLetterFile(path);
    expect(file.mended).toBeUndefined();
    const about = { time: 0, stage: 'input', reason: 'too long', source: '/a.log:1' } as const;
    await file.add([
      { ...about, stream: 'events', raw: '{"a":1.0}' },
      { ...about, raw: 'junk' },
    ]);
    await file.close();
    expect(await readFile(path, 'utf8')).toBe(
      [
        '{"time":"1970-01-01T00:00:00.000Z","stage":"input","stream":"events","reason":"too long","record":{"a":1.0},"source":"/a.log:1"}\n',
        '{"time":"1970-01-01T00:00:00.000Z","stage":"input","reason":"too long","raw":"junk","source":"/a.log:1"}\n',
      ].join(''),
    );
  });
});
