import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson } from './parse-json.ts';

/** Every character of a name as an escape. */
const escaped = (name: string): string => Array.from(name, escapeUnit).join('');
const escapeUnit = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

describe('parseJson', () => {
  it.each([
    ['{"timestamp":"x","p\\\\u0":1}', '{"timestamp":"x","p\\u0061th":"/b"}', ['timestamp', 'path']],
    ['{"a":{"b":1,"\\\\":2}}', '{"a":{"b":1,"\\"":2}}', ['a.b', 'a."']],
    ['[{"c":1,"x\\\\\\"":2}]', ' [ { "c" : 1 , "x\\"y" : 2 } ] ', ['0.c', '0.x"y']],
  ])('after %s the names of %s are right', (before, text, expected) => {
    JSON.parse(before);
    expect(namesOf(parseJson(text), '')).toEqual(expected);
  });

  it.each(['', '{', '{"a":1}}', '{"a\\x":1}', '[1,]', '{"\\u0061":01}'])('refuses %s', (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });

  it('reads any other text as JSON.parse does', () => {
    const run = fc.property(
      // Without escapes, in whose names JSON.parse may be wrong.
      fc.json({ maxDepth: 4, stringUnit: fc.constantFrom('a', 'b', 'é', ' ', '}', ',', ':') }),
      fc.constantFrom('', ' ', '\n\t'),
      fc.string({ maxLength: 5, unit: fc.constantFrom('a', '"', '\\', '_', 'é', ':', '{', '\n') }),
      (json, white, name) => {
        // Names that no other object has: V8 reads them right.
        const key = `${escaped(`k${name}`)}${white === '' ? '' : '\\"'}`;
        const text = `${white}{"${key}"${white}:${white}${json}${white},"v":[${json},"\\\\",${json}],"w":"\\""}`;
        const first = JSON.parse(json);
        const expected = { [`k${name}${white === '' ? '' : '"'}`]: first, v: [first, '\\', first], w: '"' };
        expect(parseJson(text)).toEqual(expected);
      },
    );
    fc.assert(run, { numRuns: 500 });
  });

  it('keeps the name __proto__ and the last of equal names', () => {
    const value = parseJson('{"__proto__":1,"\\u0061":2,"a":3}');
    expect(Object.entries(value as object)).toEqual([
      ['__proto__', 1],
      ['a', 3],
    ]);
  });
});

function namesOf(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([name, one]) => namesOf(one, path === '' ? name : `${path}.${name}`));
}
