import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diskFileSystem } from '../disk/file-system.ts';
import { encodeDeadLetter } from '../lines/dead-letter.ts';
import { DataFiles, type HourDataFile } from './data-files.ts';
import { JournalWriter } from './journal.ts';
import { type EntryMeta, LaterJournalError } from './journal-meta.ts';
import { readSegments } from './journal-reader.ts';
import { CommittedState } from './state.ts';

const dataFiles = new DataFiles({ logsDir: '/logs', dlqDir: '/dlq' });

describe('a journal segment', () => {
  let stateDir: string;
  beforeEach(() => {
    stateDir = mkdtempSync(join(tmpdir(), 'logforge-journal-'));
  });
  afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

  /** A snapshot and one entry with inline data. Gives the path, and the length up to the end of each. */
  async function writeSegment(): Promise<{ path: string; ends: readonly number[] }> {
    const options = { files: diskFileSystem, stateDir, durable: true };
    const journal = await JournalWriter.create({ ...options, number: 7, snapshot: { seq: 3 } });
    const ends = [journal.length];
    const meta = { seq: 4, files: [[dataFiles.named('2025-11-22T10'), 10, 3] as const] };
    await journal.append(meta, [Buffer.from('ab'), Buffer.from('c')], { sync: true });
    ends.push(journal.length);
    await journal.close();
    return { path: journal.path, ends };
  }

  /** An entry as it stands in a segment, made without the code under test. */
  function entry(json: string, data: string, seed: number): Buffer {
    const payload = Buffer.concat([Buffer.alloc(4), Buffer.from(json + data)]);
    payload.writeUInt32LE(json.length);
    const head = Buffer.alloc(8);
    head.writeUInt32LE(payload.length);
    head.writeUInt32LE(crc32(payload, seed), 4);
    return Buffer.concat([head, payload]);
  }

  /** The seed of an entry of segment 7. */
  function seedOf(position: number): number {
    const place = Buffer.alloc(10);
    place.writeUInt32LE(7, 0);
    place.writeUInt32LE(position, 4);
    return crc32(Buffer.concat([Buffer.from('LFJRNL2\n'), place]));
  }

  const SEGMENT_NAME = 'journal-00000007.log';
  const write = (...parts: readonly (string | Buffer)[]) =>
    writeFileSync(join(stateDir, SEGMENT_NAME), Buffer.concat(parts.map((part) => Buffer.from(part))));
  const read = async () => (await readSegments(stateDir, dataFiles))[0]?.entries;

  it('has this form', async () => {
    const { path, ends } = await writeSegment();
    expect(path).toBe(join(stateDir, SEGMENT_NAME));
    const snapshot = entry('{"seq":3}', '', seedOf(8));
    expect(readFileSync(path).subarray(0, ends[1])).toEqual(
      Buffer.concat([
        Buffer.from('LFJRNL2\n'),
        snapshot,
        entry('{"seq":4,"files":[["2025-11-22T10",10,3]]}', 'abc', seedOf(8 + snapshot.length)),
      ]),
    );
  });

  it('is read in the form of version 1.0.0 too', async () => {
    const json = '{"seq":4,"files":[["2025-11-22T10",10,3]]}';
    write('LFJRNL1\n', entry('{"seq":3}', '', 0), entry(json, 'abc', 0));
    expect((await read())?.map(({ meta, data }) => [meta.seq, data.toString()])).toEqual([
      [3, ''],
      [4, 'abc'],
    ]);
  });

  it('is valid in its own place only', async () => {
    const { path } = await writeSegment();
    renameSync(path, join(stateDir, 'journal-00000008.log'));
    expect(await read()).toEqual([]);
  });

  it('keeps the owner of a key, the name of the store and the generations of hours', async () => {
    const key = { key: 'k', bodyHash: 'h', answer: '{}', time: 1, owner: 'o' };
    const file = dataFiles.named('2025-11-22T10');
    const snapshot = { seq: 3, keys: [key], store: 's', generations: [[file, 2] as const] };
    const journal = await JournalWriter.create({ files: diskFileSystem, stateDir, durable: true, number: 7, snapshot });
    await journal.close();
    expect((await read())?.map(({ meta }) => meta)).toEqual([snapshot]);
  });

  it('writes an hour of the stream access as its number, as before, and any other by its name', async () => {
    const [file, event] = ['2025-11-22T10', 'events/2025-11-22T10'].map(
      (name) => dataFiles.named(name) as HourDataFile,
    );
    if (file === undefined || event === undefined) throw new Error('no file');
    const snapshot: EntryMeta = {
      seq: 3,
      summarised: [
        [file, 10],
        [event, 20],
      ],
      changed: [file, event],
    };
    const journal = await JournalWriter.create({ files: diskFileSystem, stateDir, durable: true, number: 7, snapshot });
    const [segment] = await readSegments(stateDir, dataFiles);
    const text = readFileSync(journal.path, 'latin1');
    await journal.close();
    expect(text).toContain(
      `"summarised":[[${file.hour},10],["events/2025-11-22T10",20]],"changed":[${file.hour},"events/2025-11-22T10"]`,
    );
    expect(segment?.entries[0]?.meta).toEqual(snapshot);
  });

  it('may have members that a reader skips', async () => {
    write('LFJRNL2\n', entry('{"seq":3,"x-hint":[1]}', '', seedOf(8)));
    expect(await read()).toHaveLength(1);
  });

  it.each([
    ['another form', Buffer.concat([Buffer.from('LFJRNL3\n'), Buffer.alloc(100, 1)]), 'its form is LFJRNL3'],
    ['a form of many numbers', Buffer.from('LFJRNL12'), 'its form is LFJRNL12'],
    ['an unknown member', '{"seq":3,"places":[["a","1"]]}', 'an entry has the unknown member "places"'],
    ['a file of another kind', '{"seq":3,"files":[["x/y",1,0]]}', 'an entry names the unknown file'],
    ['an unknown hour', '{"seq":3,"changed":["dlq/2025-11-22"]}', 'an entry takes "dlq/2025-11-22" for an hour'],
    [
      'a file of another form',
      '{"seq":3,"files":[["2025-11-22T10",1,0,{"form":"lz4","framed":1,"logical":1}]]}',
      'the file "2025-11-22T10" has an unknown form',
    ],
    [
      'dead letters that are compressed',
      '{"seq":3,"files":[["dlq/2025-11-22",1,0,{"form":"zstd","framed":1,"logical":1}]]}',
      'the file "dlq/2025-11-22" has an unknown form',
    ],
    [
      'more about a file than its form',
      '{"seq":3,"files":[["2025-11-22T10",1,0,{"form":"zstd","framed":1,"logical":1},2]]}',
      'the file "2025-11-22T10" has an unknown form',
    ],
  ])('of a later version, with %s, is refused', async (_, content, reason) => {
    if (typeof content === 'string') write('LFJRNL2\n', entry(content, '', seedOf(8)));
    else write(content);
    const reading = read();
    await expect(reading).rejects.toThrow(`a later version of logforge wrote it (${reason}`);
    await expect(reading).rejects.toHaveProperty('cause', expect.any(LaterJournalError));
  });

  it('is read to its last whole entry, without the zeros written ahead', async () => {
    const { path, ends } = await writeSegment();
    const bytes = readFileSync(path);
    const length = ends.at(-1) ?? 0;
    expect(bytes.length).toBeGreaterThan(length);
    for (let cut = 0; cut <= length; cut++) {
      writeFileSync(path, bytes.subarray(0, cut));
      const [segment] = await readSegments(stateDir, dataFiles);
      const whole = ends.filter((end) => end <= cut);
      expect(segment?.entries).toHaveLength(whole.length);
    }
    writeFileSync(path, bytes);
    const [segment] = await readSegments(stateDir, dataFiles);
    expect(segment?.tornBytes).toBe(0);
    expect(segment?.entries.map(({ meta }) => meta.seq)).toEqual([3, 4]);
    expect(segment?.entries[1]?.data.toString()).toBe('abc');
    expect(segment?.entries[1]?.meta.files).toEqual([[dataFiles.named('2025-11-22T10'), 10, 3]]);
    expect(segment?.damage).toEqual([]);
  });

  it('shows what it is by its entries when its magic is damaged', async () => {
    const { path } = await writeSegment();
    writeFileSync(path, readFileSync(path).fill('X', 0, 1));
    const [segment] = await readSegments(stateDir, dataFiles);
    expect(segment?.entries.map(({ meta }) => meta.seq)).toEqual([3, 4]);
    expect(segment?.damage).toEqual([{ start: 0, end: 8, isCorrected: true }]);
  });

  it('is damaged when nothing in it can be read', async () => {
    write('some other file');
    const [segment] = await readSegments(stateDir, dataFiles);
    expect(segment).toMatchObject({ entries: [], damage: [{ start: 0, end: 15, isCorrected: false }], tornBytes: 0 });
  });

  it('was not finished when it is empty, or only began', async () => {
    for (const content of [
      Buffer.alloc(0),
      Buffer.alloc(600),
      Buffer.from('LFJR'),
      Buffer.from('LFJRNL2\n\x10\0\0\0'),
    ]) {
      write(content);
      expect(await readSegments(stateDir, dataFiles)).toMatchObject([{ entries: [], damage: [] }]);
    }
  });
});

describe('committed state', () => {
  it('keeps the name of the store and the generations in every snapshot', () => {
    const state = new CommittedState();
    const file = dataFiles.named('2025-11-22T10');
    expect([state.store, state.generation(file)]).toEqual([undefined, 0]);
    expect(state.snapshot(() => true)).not.toHaveProperty('generations');
    state.nameStore('s');
    state.beginGeneration(file);
    state.beginGeneration(file);
    const copy = new CommittedState();
    copy.apply(state.snapshot(() => false));
    expect([copy.store, copy.generation(file)]).toEqual(['s', 2]);
  });

  it('keeps an hour as changed when it grew in the entry that advances the aggregator’s cursor', () => {
    const state = new CommittedState();
    const hour = 489_730;
    const file = dataFiles.ofHour({ stream: 'access', hour });
    state.apply({ seq: 0, files: [[file, 10, 0]] });
    expect(state.changedHours()).toEqual([]);
    state.apply({ seq: 1, files: [[file, 20, 10]] });
    expect(state.changedHours()).toEqual([file]);
    state.apply({ seq: 2, files: [[file, 30, 10]], summarised: [[file, 20]] });
    expect(state.changedHours()).toEqual([file]);
    state.apply({ seq: 3, summarised: [[file, 30]] });
    expect(state.changedHours()).toEqual([]);
  });

  it('takes the last offset of a partition, and remembers every batch-id in a snapshot that does not grow with them', () => {
    const state = new CommittedState();
    const offset = (next: string) => ({ topic: 'logs', partition: 0, next });
    state.apply({ seq: 0, offsets: [offset('9')], batchIds: Array.from({ length: 20_000 }, (_, i) => `p:${i}`) });
    state.apply({ seq: 1, offsets: [offset('2')] });
    expect(state.offsets()).toEqual([offset('2')]);
    expect([state.hasBatchId('p:0'), state.hasBatchId('p:19999'), state.hasBatchId('p:20000')]).toEqual([
      true,
      true,
      false,
    ]);
    const copy = new CommittedState();
    copy.apply(state.snapshot(() => true));
    expect(copy.hasBatchId('p:19999')).toBe(true);
    expect(state.snapshot(() => true).batchIds).toEqual(['p:0-19999']);
  });
});

describe('a dead letter', () => {
  it('is one line, whatever came', () => {
    const letter = { time: 0, stage: 'consume', reason: 'a "reason"', source: 's' } as const;
    for (const raw of ['{\n"a":\r\n1}', '{broken\n', '', '\u2028\0"', '[1,\n2]']) {
      const line = encodeDeadLetter({ ...letter, raw }).toString();
      expect(line.indexOf('\n')).toBe(line.length - 1);
      const parsed = JSON.parse(line);
      expect(parsed.record ?? parsed.raw).toEqual(raw.startsWith('{\n') ? { a: 1 } : raw);
    }
  });
});
