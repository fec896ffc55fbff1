import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readFile, readInBlocks } from './open-reading.case.ts';
import { WILD_FILES, WILD_FOLDER } from './wild.case.ts';

const SCRIPTS = ['README.md', 'generate-control-characters-413.py', 'rotate-numbers-counts-twice.sh'];

function load(name: string): Buffer {
  const bytes = readFileSync(join(WILD_FOLDER, name));
  if (!name.endsWith('.gz')) return bytes;
  // The header (RFC 1952) may have a name, which ends in a NUL. What follows the data is not looked at, and they may be cut.
  const hasName = ((bytes[3] ?? 0) & 8) !== 0;
  return inflateRawSync(bytes.subarray(hasName ? bytes.indexOf(0, 10) + 1 : 10), {
    finishFlush: constants.Z_SYNC_FLUSH,
  });
}

describe('a file as strangers write it', () => {
  it.each(Object.entries(WILD_FILES))('%s', (name, expected) => {
    const { format, records, reasons } = readFile(load(name), { name });
    expect({ format, reasons }).toEqual({ format: expected.format, reasons: expected.reasons ?? [] });
    expect(records).toMatchObject(expected.records);
  });

  it('truncated-while-written.log.gz has 792 whole lines', () => {
    const { records, reasons } = readFile(load('truncated-while-written.log.gz'));
    expect(records).toHaveLength(792);
    expect(records.at(-1)).toMatchObject({ timestamp: '2026-10-05T00:13:11Z', path: '/gz2/791', userAgent: 'UA-0' });
    expect(reasons).toEqual([expect.stringMatching(/^793: /)]);
  });

  it('is expected to be one of these', () => {
    const others = [...SCRIPTS, 'truncated-while-written.log.gz'];
    const files = readdirSync(WILD_FOLDER).filter((name) => !others.includes(name));
    expect(files.sort()).toEqual(Object.keys(WILD_FILES).sort());
  });

  it.each(Object.keys(WILD_FILES))('%s is the same line by line', (name) => {
    expect(readInBlocks(load(name), [1], { name })).toEqual(readFile(load(name), { name }));
  });
});
