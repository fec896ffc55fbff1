import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { print, printable, printableJson, printableLines, table } from './print.ts';

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

test.each([
  ...['\0', '\x07', '\x1b', '\x7f', '\u0080', '\u009b', '\u009f', '\u202a', '\u202b', '\u202c', '\u202d', '\u202e'],
  ...[
    '\u2066',
    '\u2067',
    '\u2068',
    '\u2069',
    '\u200e',
    '\u200f',
    '\u061c',
    '\u200b',
    '\u200c',
    '\u200d',
    '\u2060',
    '\ufeff',
  ],
  ...['\u00ad', '\u180e', '\u034f', '\u115f', '\u3164', '\ufe0f', '\u2028', '\u2029', '\ud800'],
])('shows %j as its code, and keeps the value of JSON', (character) => {
  const code = `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  expect(printable(`a${character}b`)).toBe(`a${code}b`);
  if (character >= ' ') {
    const line = `{"a": "b${character}c"}`;
    expect(printableJson(line)).toBe(`{"a": "b${code}c"}`);
    expect(JSON.parse(printableJson(line))).toEqual({ a: `b${character}c` });
  }
});

test('shows a character beyond U+FFFF as JSON writes it', () => {
  const line = JSON.stringify(['\u{e0041}😀']);
  expect(printableJson(line)).toBe('["\\udb40\\udc41😀"]');
  expect(JSON.parse(printableJson(line))).toEqual(JSON.parse(line));
});

test('keeps tabs between the tokens of JSON, and the lines of a text', () => {
  expect(printableJson('{\t"a":1}')).toBe('{\t"a":1}');
  expect(printableLines('a\tb\nc\u202e')).toBe('a\\u0009b\nc\\u202e');
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
