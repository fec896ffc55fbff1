import { expect, test } from 'vitest';
import type { Chunk } from '../model/chunk.ts';
import { MAX_HOUR, MIN_HOUR } from '../model/hour.ts';
import { areStoredLines } from './stored-lines.ts';

const HOUR = 397_186; // 2015-04-24T10
const LINE = '{"timestamp":"2015-04-24T10:00:00Z","path":"/","userAgent":"x"}\n';

function check(text: string | Buffer, claim: Partial<Chunk> = {}): boolean {
  return areStoredLines({ stream: 'access', hour: HOUR, count: 1, lines: Buffer.from(text), ...claim });
}

test('takes stored lines of the hour that is claimed, in the first and the last hour there are', () => {
  expect(check(LINE)).toBe(true);
  expect(check(LINE.repeat(3), { count: 3 })).toBe(true);
  expect(check(LINE.replace('2015-04-24T10', '0001-01-01T00'), { hour: MIN_HOUR })).toBe(true);
  expect(check(LINE.replace('2015-04-24T10', '9999-12-31T23'), { hour: MAX_HOUR })).toBe(true);
});

test.each<[string, string | Buffer, Partial<Chunk>?]>([
  ['nothing', ''],
  ['more lines than there are', LINE, { count: 2 }],
  ['fewer lines than there are', LINE.repeat(2)],
  ['a line without its end', LINE.slice(0, -1)],
  ['a blank line between two', `${LINE}\n${LINE}`, { count: 3 }],
  ['a line of another hour', LINE, { hour: HOUR + 1 }],
  ['a second line of another hour', LINE + LINE.replace('T10', 'T11'), { count: 2 }],
  ['garbage', 'garbage\n'],
  ['a line that ends early', '{"timestamp":"2015-04-24T10:\n'],
  ['a line with more after it', LINE.replace('\n', ' \n')],
  ['a line that is not UTF-8', Buffer.from(LINE.replace('x', '\xff'), 'latin1')],
])('tells %s from stored lines', (_, text, claim) => {
  expect(check(text, claim)).toBe(false);
});
