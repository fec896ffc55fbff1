import { describe, expect, it } from 'vitest';
import { encodeHead, parseHead } from './spool-head.ts';

const NUMBERS = [0, 6, 9, 10, 16, 19, 20, 26, 99, 100, 65_535, 123_456_789, 999_999_999_999_999];

/** What a write that stopped after any number of bytes leaves of `after` on top of `before`. */
function* torn(before: string, after: string): Generator<string> {
  for (let cut = 0; cut <= after.length; cut++) {
    yield after.slice(0, cut) + before.slice(cut);
    // The new length may be on the disk without the new bytes, and they without it.
    yield (after.slice(0, cut) + before.slice(cut)).padEnd(Math.max(before.length, after.length), '\0');
    yield after.slice(0, cut).slice(0, before.length);
  }
}

describe('the head file of the spool', () => {
  it.each(NUMBERS)('gives %d back', (sequence) => {
    expect(parseHead(encodeHead(sequence))).toBe(sequence);
  });

  it('reads the form of versions before', () => {
    expect(['0\n', '26\n', '123456789012345\n'].map(parseHead)).toEqual([0, 26, 123_456_789_012_345]);
  });

  it.each([
    '',
    '\n',
    '26',
    'x\n',
    '1234567890123456\n',
    `${encodeHead(1)}\n`,
    encodeHead(20).replace('2', '3'),
  ])('counts as 0 when it is %j', (text) => {
    expect(parseHead(text)).toBe(0);
  });

  it('torn between two numbers is one of them or none', () => {
    for (const before of NUMBERS)
      for (const after of NUMBERS)
        for (const text of torn(encodeHead(before), encodeHead(after)))
          expect([0, before, after], `${before} ${after} ${JSON.stringify(text)}`).toContain(parseHead(text));
  });

  it('torn over the form of versions before is no higher number than it was', () => {
    for (const before of NUMBERS)
      for (const after of NUMBERS.filter((number) => number >= before))
        for (const text of torn(`${before}\n`, encodeHead(after))) {
          const found = parseHead(text);
          expect(found === after || found <= before, `${before} ${after} ${JSON.stringify(text)}`).toBe(true);
        }
  });
});
