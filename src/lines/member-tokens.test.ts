import { expect, it } from 'vitest';
import { memberTokens } from './member-tokens.ts';

it.each([
  ['{}', []],
  [' { } ', []],
  ['{"a":1}', [['a', '1']]],
  [
    ' { "a" : 1.0 , "b" : "x" } ',
    [
      ['a', '1.0'],
      ['b', '"x"'],
    ],
  ],
  [
    '{"a":{"b":[1,{"c":"}"}]},"d":[]}',
    [
      ['a', '{"b":[1,{"c":"}"}]}'],
      ['d', '[]'],
    ],
  ],
  ['{"a":1,"\\u0061":2}', [['a', '2']]],
  ['{"a\\"b\\\\":":,}"}', [['a"b\\', '":,}"']]],
  ['{"__proto__":null}', [['__proto__', 'null']]],
])('the members of %s', (text, members) => {
  JSON.parse(text);
  expect([...memberTokens(text)]).toEqual(members);
});

it('an escaped name is not taken for another name that came before it, as JSON.parse of V8 14.6 does', () => {
  JSON.parse('{"timestamp":"x","p\\\\u0":1}');
  expect([...memberTokens('{"timestamp":"x","p\\u0061th":"/b"}').keys()]).toEqual(['timestamp', 'path']);
});
