import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseFieldMap } from '../../model/field-map.ts';
import { mapMembers, membersOf, tokenAt } from './json-members.ts';

const objectOf = (text: string) => ({ text, value: JSON.parse(text) as Record<string, unknown> });

describe('the members of a JSON object', () => {
  it('are tokens as they were written, without white space between them', () => {
    const text = String.raw` { "a" : 1.0 , "b":"x \" y" ,"c": { "d" : [ 1 , 2 ] , "e e" : " " }, "f":12345678901234567890,"g":[],"h":{},"i":null } `;
    expect([...membersOf(objectOf(text), () => true)]).toEqual([
      ['a', '1.0'],
      ['b', String.raw`"x \" y"`],
      ['c', '{"d":[1,2],"e e":" "}'],
      ['f', '12345678901234567890'],
      ['g', '[]'],
      ['h', '{}'],
      ['i', 'null'],
    ]);
    expect([...membersOf(objectOf('{}'), () => true)]).toEqual([]);
  });

  it('that stand twice have the last value at the first place', () => {
    expect([...membersOf(objectOf(String.raw`{"path":1,"b":2,"p\u0061th":3}`), () => true)]).toEqual([
      ['path', '3'],
      ['b', '2'],
    ]);
  });

  it('are those that are wanted', () => {
    expect(membersOf(objectOf('{"a":1,"b":2,"a":3}'), (name) => name === 'a')).toEqual([['a', '3']]);
  });

  it('are those that JSON.parse finds', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()),
        fc.constantFrom(undefined, 1, '\t'),
        (value, space) => {
          const text = JSON.stringify(value, null, space);
          const parsed = JSON.parse(text) as Record<string, unknown>;
          const members = membersOf(objectOf(text), () => true);
          expect(members.map(([name]) => name).sort()).toEqual(Object.keys(parsed).sort());
          for (const [name, token] of members) expect(token).toBe(JSON.stringify(parsed[name]));
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('a token', () => {
  const text = String.raw`{"a":{"b":[1.0,{"c":"x"},[2,3]],"b2":7},"a2":9,"__proto__":5,"q\"":6}`;
  it.each([
    [['a', 'b', 0], '1.0'],
    [['a', 'b', 1, 'c'], '"x"'],
    [['a', 'b', 2, 1], '3'],
    [['a', 'b2'], '7'],
    [['__proto__'], '5'],
    [['q"'], '6'],
    [['a', 'b'], '[1.0,{"c":"x"},[2,3]]'],
    [['a', 'b', 3], undefined],
    [['a', 'b', 'c'], undefined],
    [['a', 0], undefined],
    [['a2', 'x'], undefined],
    [['toString'], undefined],
    [['x'], undefined],
  ])('is found by its path: %j', (steps, expected) => {
    expect(tokenAt(text, steps)).toBe(expected);
  });

  it('of a name that stands twice is the last', () => {
    expect(tokenAt('{"a":{"b":1},"a":{"b":2}}', ['a', 'b'])).toBe('2');
    expect(tokenAt('{"a":{"b":1},"a":2}', ['a', 'b'])).toBeUndefined();
  });
});

it('a map gives the JSON text of each target that the line has', () => {
  const text = '{"ts":1703373474815560800,"m":"a\\/b","o":{ "x": 1.0 },"n":null,"d":"-"}';
  const map = parseFieldMap('timestamp=ts,message=nothing|m,service=n,o=o,deep=o.x,dash=d');
  expect([...mapMembers(map, { text, value: JSON.parse(text) })]).toEqual([
    ['timestamp', '1703373474815560800'],
    ['message', '"a\\/b"'],
    ['o', '{"x":1.0}'],
    ['deep', '1.0'],
    ['dash', '"-"'],
  ]);
});
