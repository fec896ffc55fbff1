import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createSegmentNames } from './segment-names.ts';
import { decodeEntry, encodeEntry, entryBytes, sealEntry, wholeEntries } from './write-ahead-log.ts';

function bytesOf(meta: unknown, data: readonly Buffer[], seed = 0): Buffer {
  const entry = encodeEntry(meta, data);
  sealEntry(entry, seed);
  const bytes = Buffer.concat(entry.buffers);
  expect(entry.bytes).toBe(bytes.length);
  return bytes;
}

const first = bytesOf({ n: 1 }, [Buffer.from('ab'), Buffer.from('c')]);
const second = bytesOf('', []);
const log = Buffer.concat([first, second]);

describe('an entry of a write-ahead log', () => {
  it('has the form that the journal and the spool have on disk', () => {
    const payload = Buffer.from('\x07\0\0\0{"n":1}abc', 'latin1');
    const head = Buffer.alloc(8);
    head.writeUInt32LE(payload.length, 0);
    head.writeUInt32LE(crc32(payload), 4);
    expect(first).toEqual(Buffer.concat([head, payload]));
  });

  it('reads back as it was written, and says where the next one begins', () => {
    const read = [...wholeEntries(log, 0)];
    expect(read.map(({ meta }) => meta)).toEqual([{ n: 1 }, '']);
    expect(read.map(({ data }) => data.toString())).toEqual(['abc', '']);
    expect(read.map(({ end }) => end)).toEqual([first.length, log.length]);
  });

  it('counts when it is whole, and not with any bit flipped', () => {
    for (let at = 0; at < log.length; at++) {
      const whole = at < first.length ? 0 : 1;
      expect([...wholeEntries(log.subarray(0, at), 0)]).toHaveLength(whole);
      const flipped = Buffer.from(log);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      expect([...wholeEntries(flipped, 0)]).toHaveLength(whole);
    }
  });

  it('is not made of zeros, nor of a length that no payload has', () => {
    expect([...wholeEntries(Buffer.concat([log, Buffer.alloc(100)]), 0)]).toHaveLength(2);
    // An empty payload with the checksum of nothing: whole by its checksum alone.
    expect(decodeEntry(Buffer.alloc(8), 0)).toBeUndefined();
    expect(decodeEntry(Buffer.alloc(100), 0)).toBeUndefined();
  });

  it('is valid with its own seed only', () => {
    const seeded = Buffer.concat([bytesOf(1, [], 7), bytesOf(2, [], 8)]);
    expect([...wholeEntries(seeded, 0, (index) => 7 + index)].map(({ meta }) => meta)).toEqual([1, 2]);
    expect([...wholeEntries(seeded, 0)]).toEqual([]);
    expect([...wholeEntries(seeded, 0, () => 7)]).toHaveLength(1);
  });

  it('tells how many bytes it needs, as far as its head is there', () => {
    expect(entryBytes(log, 0)).toBe(first.length);
    expect(entryBytes(log, first.length)).toBe(second.length);
    expect(entryBytes(log.subarray(0, 7), 0)).toBe(8);
  });
});

describe('segment names', () => {
  const names = createSegmentNames({ prefix: 'journal-', digits: 4, suffix: '.log' });

  it('are padded, and read back', () => {
    expect([names.of(7), names.of(12_345)]).toEqual(['journal-0007.log', 'journal-12345.log']);
    expect(['journal-0007.log', 'journal-12345.log'].map(names.parse)).toEqual([7, 12_345]);
  });

  it('are no other names', () => {
    for (const name of [
      'journal-7.log',
      'journal-00007.log',
      'journal-0007.log~',
      'keys-0007.log',
      'journal-.log',
      'log',
    ])
      expect(names.parse(name)).toBeUndefined();
  });

  it('are listed by their numbers', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'logforge-names-'));
    try {
      for (const name of ['journal-12345.log', 'journal-9999.log', 'head']) await writeFile(join(dir, name), '');
      expect(await names.list(dir)).toEqual([9_999, 12_345]);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
