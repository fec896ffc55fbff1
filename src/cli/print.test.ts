import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { print, printable, table } from './print.ts';

test('waits for a reader that is slow', async () => {
  const stream = new PassThrough({ highWaterMark: 4 });
  let isDone = false;
  const done = print(stream, 'longer than four').then(() => {
    isDone = true;
  });
  await Promise.resolve();
  expect(isDone).toBe(false);
  expect(String(stream.read())).toBe('longer than four');
  await done;
});

test('text of others cannot steer a terminal', () => {
  expect(printable('a\x1b[31m\r\n\u009b\u202e\u2028é😀')).toBe('a\\u001b[31m\\u000d\\u000a\\u009b\\u202e\\u2028é😀');
});

test('a table is as wide as its cells, numbers to the right', () => {
  expect(
    table([
      ['A', 'COUNT', 'B'],
      ['long cell', 5, 'x'],
      ['s', 12_345_678, ''],
    ]),
  ).toBe('A             COUNT  B\nlong cell         5  x\ns          12345678\n');
  expect(table([])).toBe('');
});
