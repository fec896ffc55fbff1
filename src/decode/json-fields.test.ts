import fc from 'fast-check';
import { expect, it, test } from 'vitest';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { readJsonFields } from './json-fields.ts';
import { runToEnd } from './pace.ts';

function read(text: string) {
  const bytes = Buffer.from(text);
  const read = runToEnd(readJsonFields(bytes, 0, bytes.length, DECODE_OPTIONS));
  return 'fields' in read ? read.fields : read;
}

test.each([
  ['{}', []],
  [' { } ', []],
  [
    '{"a":1.0,"b":"x","c":null}',
    [
      ['a', '1.0'],
      ['b', '"x"'],
      ['c', 'null'],
    ],
  ],
  ['{"a":12345678901234567890,"a":-0e5}', [['a', '-0e5']]],
  ['{ "a" : { "b" : [ 1 , "c d" ] } }', [['a', '{"b":[1,"c d"]}']]],
  [
    '{"__proto__":1,"\\u0061":"\\n"}',
    [
      ['__proto__', '1'],
      ['a', '"\\n"'],
    ],
  ],
])('the fields of %s are the tokens that came', (text, fields) => {
  expect([...(read(text) as Map<string, string>)]).toEqual(fields);
});

test.each([
  '{"a":01}',
  '{"a":1,}',
  '{"a":"\t"}',
  '{"a":1}}',
  '{"a":1} x',
  '{,}',
  '{"a":1',
  '{"a":.5}',
  '',
])('%j is no JSON', (text) => expect(read(text)).toHaveProperty('offset'));

it('reads every object as JSON.parse does', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 2 })),
      fc.nat(2),
      (object, indent) => {
        const fields = read(JSON.stringify(object, null, indent)) as Map<string, string>;
        const entries = [...fields].map(([name, json]): [string, unknown] => [name, JSON.parse(json)]);
        expect(Object.fromEntries(entries)).toEqual(JSON.parse(JSON.stringify(object)));
      },
    ),
    { numRuns: 500, seed: 16 },
  );
});
