import { describe, expect, it } from 'vitest';
import { type FieldMap, fieldMapOf, parseFieldMap, pickSource } from './field-map.ts';

const CADDY = {
  ts: 1,
  request: { uri: '/beta/', headers: { 'User-Agent': ['curl/8', 'other'] }, list: [['a'], ['b']] },
};

/** Target, source that was taken, and its value, for each pair that the object has. */
function read(map: FieldMap, value: unknown): [string, unknown][] {
  return map.pairs.flatMap((pair): [string, unknown][] => {
    const source = pickSource(pair, value);
    return source === undefined ? [] : [[pair.target, source.read(value)]];
  });
}

describe('a field map', () => {
  it.each([
    ['timestamp=ts', [['timestamp', 1]]],
    ['path=request.uri', [['path', '/beta/']]],
    ['userAgent=request.headers.User-Agent[0]', [['userAgent', 'curl/8']]],
    ['x=request.list[1][0]', [['x', 'b']]],
    [
      ' timestamp = ts , path = request . uri ',
      [
        ['timestamp', 1],
        ['path', '/beta/'],
      ],
    ],
    ['x=request["uri"]', [['x', '/beta/']]],
    ["x=request['headers']['User-Agent'][1]", [['x', 'other']]],
    ['x=request."headers"."User-Agent"[1]', [['x', 'other']]],
    ['x=nothing|request.uri|ts', [['x', '/beta/']]],
    ['"my target"=ts', [['my target', 1]]],
    [
      "timestamp=ts,path=request.uri,userAgent='request.headers.User-Agent[0]'",
      [
        ['timestamp', 1],
        ['path', '/beta/'],
        ['userAgent', 'curl/8'],
      ],
    ],
    ['x=request.nothing', []],
    ['x=ts.uri', []],
    ['x=ts[0]', []],
    ['x=request.headers[0]', []],
    ['x=request.headers.User-Agent.length', []],
    ['x=request.headers.User-Agent[2]', []],
  ])('%s', (text, expected) => {
    expect(read(parseFieldMap(text), CADDY)).toEqual(expected);
  });

  it.each([
    ['x=["a.b"]', { 'a.b': 1, a: { b: 2 } }, 1],
    ['x="a.b"', { 'a.b': 1, a: { b: 2 } }, 1],
    ['x="a.b"', { a: { b: 2 } }, 2],
    ["x='request_User-Agent'", { 'request_User-Agent': 'curl/8' }, 'curl/8'],
    ['x=request_User-Agent', { 'request_User-Agent': 'curl/8' }, 'curl/8'],
    ['x=@timestamp', { '@timestamp': 1 }, 1],
    ['x=$.a:b/c', { $: { 'a:b/c': 1 } }, 1],
    ['x="a\\"b\\\\c"', { 'a"b\\c': 1 }, 1],
    ['x=größe', { größe: 1 }, 1],
    ['x=[1]', ['a', 'b'], 'b'],
    ['x=["a,b=c|d"].e', { 'a,b=c|d': { e: 1 } }, 1],
  ])('finds names with odd characters: %s', (text, value, expected) => {
    expect(read(parseFieldMap(text), value)).toEqual([['x', expected]]);
  });

  it('takes the first source that is present: not null, empty or -', () => {
    const map = parseFieldMap('x=a|b|c');
    expect(read(map, { a: null, b: '-', c: 'yes' })).toEqual([['x', 'yes']]);
    expect(read(map, { a: '', b: 0, c: 'no' })).toEqual([['x', 0]]);
    expect(read(map, { a: null, b: '-', c: '' })).toEqual([['x', '-']]);
    expect(read(map, { a: null })).toEqual([]);
  });

  it('reads no member that the object does not have itself', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(read(parseFieldMap(`x=${name}`), JSON.parse('{}'))).toEqual([]);
      expect(read(parseFieldMap(`x=a.${name}`), JSON.parse('{"a":{}}'))).toEqual([]);
      expect(read(parseFieldMap(`x=${name}`), JSON.parse(`{"${name}":1}`))).toEqual([['x', 1]]);
    }
  });

  it('is made of pairs, too, as the configuration has them', () => {
    const map = fieldMapOf({ timestamp: 'ts', path: 'request.path|request.uri', 'odd.name': 'ts' });
    expect(read(map, CADDY)).toEqual([
      ['timestamp', 1],
      ['path', '/beta/'],
      ['odd.name', 1],
    ]);
  });

  it('knows the text of each source, for messages', () => {
    const [pair] = parseFieldMap('path = request.uri | "a.b"').pairs;
    expect(pair?.sources.map(({ text }) => text)).toEqual(['request.uri', 'a.b', 'a.b']);
  });
});

describe('a field map that cannot be read says where and what was expected', () => {
  it.each([
    ['', 'cannot read the field map: expected target=source, such as timestamp=ts,path=request.uri'],
    [
      'timestamp',
      'cannot read the field map "timestamp" at character 10: expected "=" after the target, found the end',
    ],
    [
      'timestamp=',
      'cannot read the field map "timestamp=" at character 11: expected the name of a member, found the end',
    ],
    ['=ts', 'cannot read the field map "=ts" at character 1: expected the name of a field, found "="'],
    ['a=b,', 'cannot read the field map "a=b," at character 5: expected the name of a field, found the end'],
    [
      'a=b c=d',
      'cannot read the field map "a=b c=d" at character 6: expected ".", "[", "|" or "," after the name, found "="',
    ],
    ['a=b..c', 'cannot read the field map "a=b..c" at character 5: expected the name of a member, found "."'],
    ['a=b[', 'cannot read the field map "a=b[" at character 5: expected an index or a name in quotes, found the end'],
    ['a=b[x]', 'cannot read the field map "a=b[x]" at character 5: expected an index or a name in quotes, found "x"'],
    ['a=b[-1]', 'cannot read the field map "a=b[-1]" at character 5: expected an index or a name in quotes, found "-"'],
    ['a=b[0', 'cannot read the field map "a=b[0" at character 6: expected "]", found the end'],
    ['a="b', 'cannot read the field map "a=\\"b" at character 5: expected the closing quote, found the end'],
    ['a=b|', 'cannot read the field map "a=b|" at character 5: expected the name of a member, found the end'],
    [
      'a=b]',
      'cannot read the field map "a=b]" at character 4: expected ".", "[", "|" or "," after the name, found "]"',
    ],
    [
      'a=b,a=c',
      'cannot read the field map "a=b,a=c" at character 5: expected another target, "a" has a source already',
    ],
  ])('%s', (text, message) => {
    expect(() => parseFieldMap(text)).toThrow(message);
  });

  it('names the pair of a configuration', () => {
    expect(() => fieldMapOf({ timestamp: 'ts', path: 'a[' })).toThrow(
      'cannot read the source of "path" "a[" at character 3: expected an index or a name in quotes, found the end',
    );
    expect(() => fieldMapOf({})).toThrow('expected target=source');
    expect(() => fieldMapOf({ path: 'a,b=c' })).toThrow('at character 2: expected the end, found ","');
  });

  it('has limits', () => {
    const pairs = (count: number) => Array.from({ length: count }, (_, i) => `a${i}=b`).join(',');
    expect(parseFieldMap(pairs(64)).pairs).toHaveLength(64);
    expect(() => parseFieldMap(pairs(65))).toThrow('at most 64 pairs');
    expect(() => fieldMapOf(Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`a${i}`, 'b'])))).toThrow(
      'at most 64 pairs',
    );
    expect(() => parseFieldMap(`a=b${'.c'.repeat(15)}`)).not.toThrow();
    expect(() => parseFieldMap(`a=b${'.c'.repeat(16)}`)).toThrow('at most 16 names and indexes');
    expect(() => parseFieldMap(`a=${'b'.repeat(4095)}`)).toThrow('at most 4096 bytes');
    expect(() => fieldMapOf({ a: 'b'.repeat(3000), c: 'd'.repeat(3000) })).toThrow('at most 4096 bytes');
    expect(() => parseFieldMap('a=b[1000000000]')).toThrow('an index');
  });
});
