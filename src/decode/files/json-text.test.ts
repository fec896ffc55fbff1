import { describe, expect, it } from 'vitest';
import { readJsonObject } from './json-text.ts';

function read(line: string | Buffer): unknown {
  const bytes = Buffer.concat([Buffer.from('before'), Buffer.from(line), Buffer.from('after')]);
  const object = readJsonObject(bytes, 'before'.length, bytes.length - 'after'.length);
  return 'reason' in object ? object.reason : object.value;
}

describe('a line of JSON', () => {
  it.each([
    ['{"a":1}', { a: 1 }],
    [' {"a":"größe"}\r', { a: 'größe' }],
    [String.raw`{"a":"My \x22cool\x22 agent"}`, { a: 'My "cool" agent' }],
    [String.raw`{"a":"gr\xC3\xB6\xC3\x9fe"}`, { a: 'größe' }],
    [String.raw`{"a":"\x0A\x09\x5C\x00"}`, { a: '\n\t\\\0' }],
    [String.raw`{"a":"\xE9t\xE9"}`, { a: String.raw`\xE9t\xE9` }],
    [Buffer.from('{"a":"\xe9t"}', 'latin1'), { a: String.raw`\xe9t` }],
    [String.raw`{"a":"\xC3\xA9\xe9\x22\xC3"}`, { a: String.raw`é\xe9"\xC3` }],
    [String.raw`{"a":"\\x22","b":"\\\x22"}`, { a: String.raw`\x22`, b: String.raw`\"` }],
    [String.raw`{"a":"\xF0\x9F\x98\x80"}`, { a: '😀' }],
    [String.raw`{"\x61":1}`, { a: 1 }],
    ['{"p\\u0061th":1}', { path: 1 }],
    ['{"a":1,"a":2}', { a: 2 }],
  ])('%s', (line, expected) => {
    expect(read(line)).toEqual(expected);
  });

  it.each([
    ['', 'not JSON: column 1: expected a value, found the end'],
    ['hello', 'not JSON: column 1: expected a value, found "h"'],
    ['{"a":}', 'not JSON: column 6: expected a value, found "}"'],
    ['{"a":1', 'not JSON: column 7: expected "," or "}", found the end'],
    ['{"größe":1,}', 'not JSON: column 12: expected a field name in quotes, found "}"'],
    ['{"a":1} {"b":2}', 'not JSON: column 9: expected nothing more, found "{"'],
    [String.raw`{"a":"\x2"}`, 'not JSON: column 8: expected an escape like \\n or \\u00e9, found "x"'],
    [String.raw`{"a":"\x22",}`, 'not JSON: column 13: expected a field name in quotes, found "}"'],
    ['[{"a":1}]', 'not a JSON object'],
    ['"a"', 'not a JSON object'],
    ['null', 'not a JSON object'],
    [`{"a":${'['.repeat(100)}${']'.repeat(100)}}`, 'nested deeper than 100'],
    [`{"a":${'{"b":'.repeat(2e5)}1${'}'.repeat(2e5)}}`, 'nested deeper than 100'],
  ])('that cannot be read: %s', (line, reason) => {
    expect(read(line)).toBe(reason);
  });

  it('is nested up to 100 levels, and may have any number of brackets', () => {
    expect(read(`{"a":${'['.repeat(99)}${']'.repeat(99)}}`)).toHaveProperty('a');
    expect(read(`{"a":[${'[],'.repeat(500)}[]]}`)).toHaveProperty('a');
    expect(read(`{"a":"${'}'.repeat(500)}"}`)).toEqual({ a: '}'.repeat(500) });
  });

  it('takes linear time', () => {
    const started = performance.now();
    for (const text of ['\\', '\\x', '\\x22', '\\xE9', '\\xF0', '"', '{"a":', '[', '\ufffd'])
      read(`{"a":"${text.repeat(Math.floor(1e6 / text.length))}`);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
