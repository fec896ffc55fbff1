import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prefersCsv, summaryCsv } from './summary-csv.ts';

const csvOf = (paths: Map<string, number>, userAgents: Map<string, number>, others?: readonly [number, number]) => {
  const dimensions = [
    { name: 'path', counts: paths, other: others?.[0] ?? 0 },
    { name: 'userAgent', counts: userAgents, other: others?.[1] ?? 0 },
  ];
  return [...summaryCsv({ stream: 'access', hasOther: others !== undefined }, dimensions)].join('');
};

const rowOf = (value: string) => parse(csvOf(new Map(), new Map([[value, 1]])), { columns: true })[0];

describe('a summary as CSV', () => {
  it('has a row for each path and user agent', () => {
    const paths = new Map([
      ['/a', 2],
      ['/x,y "z"', 1],
      ['__proto__', 3],
    ]);
    expect(csvOf(paths, new Map([['-', 6]]))).toBe(
      'dimension,value,requests\r\npath,/a,2\r\npath,"/x,y ""z""",1\r\npath,__proto__,3\r\nuserAgent,-,6\r\n',
    );
  });

  it('has rows for the others when only the largest are listed', () => {
    const csv = csvOf(new Map([['/a', 2]]), new Map(), [4, 6]);
    expect(csv).toBe('dimension,value,requests\r\npath,/a,2\r\notherPaths,,4\r\notherUserAgents,,6\r\n');
  });

  it('of any other stream has the names of its dimensions', () => {
    const dimensions = [
      { name: 'level', counts: new Map([['INFO', 2]]), other: 1 },
      { name: '=a,b', counts: new Map(), other: 3 },
    ];
    const csv = (hasOther: boolean) => [...summaryCsv({ stream: 'events', hasOther }, dimensions)].join('');
    expect(csv(false)).toBe('dimension,value,records\r\nlevel,INFO,2\r\n');
    expect(csv(true)).toBe('dimension,value,records\r\nlevel,INFO,2\r\nother level,,1\r\n"other =a,b",,3\r\n');
  });

  it('protects values that a spreadsheet would run as a formula', () => {
    for (const value of ['=HYPERLINK("http://x")', '+1', '@a', '-1+2', '\t=1', '\ta', '\ra', '\na']) {
      expect(rowOf(value)).toEqual({ dimension: 'userAgent', value: `'${value}`, requests: '1' });
    }
  });

  it.each([
    ...[
      ' ',
      '   ',
      '\t',
      '\r',
      '\n',
      '\r\n',
      '\v',
      '\f',
      '\0',
      '\u0001',
      '\u007f',
      '\u0085',
      '\u009b',
      '\u00a0',
      '\u1680',
    ],
    ...[
      '\u2003',
      '\u2028',
      '\u2029',
      '\u202f',
      '\u205f',
      '\u3000',
      '\ufeff',
      '\u200b',
      '\u200d',
      '\u2060',
      '\u00ad',
      '\u180e',
    ],
    ...['\u202e', '\u2066', '\u061c', '\ufe0f', '\u3164', '\u{e0001}', '\ufeff \t\u00a0'],
  ])('protects a formula after a prefix that a spreadsheet strips: %j', (prefix) => {
    for (const sign of [
      '=',
      '+',
      '-',
      '@',
      '\uff1d',
      '\uff0b',
      '\uff0d',
      '\uff20',
      '\ufe66',
      '\ufe62',
      '\ufe63',
      '\ufe6b',
    ]) {
      const value = `${prefix}${sign}1+1`;
      expect(rowOf(value)).toEqual({ dimension: 'userAgent', value: `'${value}`, requests: '1' });
    }
  });

  it('leaves other values and the counts as they are', () => {
    for (const value of ['-', ' -', '/a=b', 'curl/8', '\u00a0/', '12', '"=1"', 'é=']) {
      expect(rowOf(value)).toEqual({ dimension: 'userAgent', value, requests: '1' });
    }
  });

  it('is read back by a CSV reader, whatever clients sent', () => {
    const key = fc.string({ unit: 'binary' }).map((text) => `/${text}`);
    fc.assert(
      fc.property(fc.dictionary(key, fc.nat()), (counts) => {
        const map = new Map(Object.entries(counts));
        const rows: string[][] = parse(csvOf(map, new Map()), { from: 2, record_delimiter: '\r\n' });
        expect(rows).toEqual([...map].map(([value, count]) => ['path', value, String(count)]));
      }),
      { numRuns: 40 },
    );
  });

  it('comes in slices when it is large', () => {
    const paths = new Map(Array.from({ length: 20_000 }, (_, i) => [`/some/path/${i}`, 1]));
    expect(csvOf(paths, new Map()).split('\r\n')).toHaveLength(20_002);
  });
});

describe('an Accept header', () => {
  it.each([
    'text/csv',
    'text/CSV; q=0.9, application/json; q=0.5',
    'text/csv, */*;q=0.1',
    'text/html, text/csv;header=present',
  ])('prefers CSV: %s', (accept) => expect(prefersCsv(accept)).toBe(true));

  it.each([
    undefined,
    '',
    '*/*',
    'application/json',
    'text/csv;q=0',
    'text/csv;q=x',
    'text/csv, application/json',
    'text/csv;q=0.5, application/*',
  ])('does not prefer CSV: %s', (accept) => expect(prefersCsv(accept)).toBe(false));
});
