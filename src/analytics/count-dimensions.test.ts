import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVENTS_STREAM, type Stream } from '../model/stream.ts';
import { createDimensionCounters } from './count-dimensions.ts';
import { createFileCounter, type LineCounts } from './summarise.ts';

type Spec = Pick<Stream, 'required' | 'levelField' | 'countBy'>;

const stored = (level: string, service: string, extras = ''): string => {
  const [timestamp, message] = ['2025-11-22T10:05:03Z', 'user signed in'];
  return `${JSON.stringify({ timestamp, level, message, service }).slice(0, -1)}${extras}}\n`;
};

function countAll(spec: Spec, text: string | Buffer, sliceBytes = 1 << 16): LineCounts {
  const bytes = Buffer.from(text);
  const countFile = createFileCounter({ sliceBytes, maxLineBytes: 1 << 20 });
  const counter = createDimensionCounters(spec)();
  return countFile(
    (target, offset, length, at) => bytes.copy(target, offset, at, at + length),
    0,
    bytes.length,
    counter,
  );
}

/** What `countBy` gives for one line. */
function valuesOf(spec: Spec, line: string): readonly unknown[] | undefined {
  const { records, byField } = countAll(spec, line);
  return records === 0 ? undefined : byField.map((counts) => [...counts.keys()].join());
}

/** The truth: JSON.parse. */
function countByParsing(spec: Spec, bytes: Buffer): LineCounts {
  const { required, countBy } = spec;
  const byField = countBy.map(() => new Map<string, number>());
  const whole = bytes.lastIndexOf(0x0a) + 1;
  let [records, skippedLines] = [0, 0];
  for (let at = 0; at < whole; ) {
    const newline = bytes.indexOf(0x0a, at);
    const values = parse(bytes.toString('utf8', at, newline), ['timestamp', ...required], countBy);
    if (values === undefined) skippedLines += 1;
    else {
      records += 1;
      for (const [i, value] of values.entries()) byField[i]?.set(value, (byField[i]?.get(value) ?? 0) + 1);
    }
    at = newline + 1;
  }
  return { bytes: whole, records, skippedLines, byField, others: countBy.map(() => 0) };
}

function parse(line: string, texts: readonly string[], countBy: readonly string[]): readonly string[] | undefined {
  try {
    JSON.parse(line);
    // Each number becomes an object that has its token.
    const fields: unknown = JSON.parse(
      line.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) =>
        token.startsWith('"') ? token : JSON.stringify({ [NUMBER]: token }),
      ),
    );
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return undefined;
    const own = new Map<string, unknown>(Object.entries(fields));
    if (!texts.every((name) => typeof own.get(name) === 'string')) return undefined;
    return countBy.map((name) => (own.has(name) ? tokenOf(own.get(name)) : '-'));
  } catch {
    return undefined;
  }
}

const NUMBER = '#number';

function tokenOf(value: unknown): string {
  return typeof value === 'string' ? value : tokensOf(value);
}

function tokensOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tokensOf).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (NUMBER in value) return String(value[NUMBER]);
  return `{${Object.entries(value)
    .map(([name, each]) => `${JSON.stringify(name)}:${tokensOf(each)}`)
    .join()}}`;
}

describe('counting the records of a stream by its dimensions', () => {
  it('counts required fields and extra ones', () => {
    const spec = { ...EVENTS_STREAM, countBy: ['level', 'region', 'service'] };
    const text = stored('INFO', 'auth', ',"region":"eu"') + stored('ERROR', 'auth', ',"a":1,"region":"us","b":null');
    const counts = countAll(spec, text + stored('INFO', 'api'));
    expect(counts).toMatchObject({ records: 3, skippedLines: 0 });
    expect(counts.byField.map((each) => Object.fromEntries(each))).toEqual([
      { INFO: 2, ERROR: 1 },
      { eu: 1, us: 1, '-': 1 },
      { auth: 2, api: 1 },
    ]);
  });

  it.each([
    ['', '-'],
    [',"x":"text"', 'text'],
    [',"x":""', ''],
    [',"x":"a\\"b\\u0041"', 'a"bA'],
    [',"x":1.0', '1.0'],
    [',"x":12345678901234567890', '12345678901234567890'],
    [',"x":-0e5', '-0e5'],
    [',"x":true', 'true'],
    [',"x":null', 'null'],
    [',"x":{"a":[1.50,{"b":"}"}]}', '{"a":[1.50,{"b":"}"}]}'],
    [',"x":[]', '[]'],
    [', "x" : 1 ', '1'],
    [',"x":1,"x":"last"', 'last'],
    [',"x":"first","x":[2]', '[2]'],
    [',"\\u0078":7', '7'],
    [',"y":{"x":3},"z":4', '-'],
    [',"y":"\\"x\\":5"', '-'],
    [',"xx":6', '-'],
  ])('a field that stands as %j counts as %j', (extras, value) => {
    expect(valuesOf({ ...EVENTS_STREAM, countBy: ['x', 'level'] }, stored('INFO', 'auth', extras))).toEqual([
      value,
      'INFO',
    ]);
  });

  it('counts a number and the same text together, whichever way each was read', () => {
    const extras = [',"x":5', ',"x":"5"', ',"x":"\\u0035"', ',"x":5,"y":{}', ''];
    const text = extras.map((each) => stored('INFO', 'a', each)).join('');
    expect(countAll({ ...EVENTS_STREAM, countBy: ['x'] }, text).byField).toEqual([
      new Map([
        ['5', 4],
        ['-', 1],
      ]),
    ]);
  });

  it('skips and counts what is no record of the stream', () => {
    const good = [
      stored('INFO', 'auth'),
      stored('INFO', 'auth').replace('user', 'say \\"hi\\" \\u00e9'),
      '{"service":"auth","message":"","level":"INFO","timestamp":""}\n',
    ];
    const bad = [
      ...['\n', 'rubbish\n', '[]\n', 'null\n', '{}\n', '"timestamp"\n'],
      stored('INFO', 'auth').replace('"level":"INFO",', ''),
      stored('INFO', 'auth').replace('"auth"', '5'),
      stored('INFO', 'auth').replace('user', '\\q'),
      stored('INFO', 'auth').replace('user', '\t'),
      stored('INFO', 'auth', ',"service":null'),
      stored('INFO', 'auth', ','),
      stored('INFO', 'auth', ',"x":01'),
      stored('INFO', 'auth').replace('}', '}}'),
    ];
    const counts = countAll(EVENTS_STREAM, [...good, ...bad].join(''));
    expect(counts).toMatchObject({ records: good.length, skippedLines: bad.length });
    expect(counts.byField).toEqual([new Map([['INFO', good.length]]), new Map([['auth', good.length]])]);
  });

  it.each([
    ',"x":"\\q","x":"a"',
    ',"x":"a","x":"\\q"',
    ',"x":01,"x":1',
    ',"service":"b\\q"',
  ])('skips a line whose field stands twice, once wrong: %j', (extras) =>
    expect(valuesOf({ ...EVENTS_STREAM, countBy: ['x'] }, stored('INFO', 'auth', extras))).toBeUndefined());

  it('takes the last of a required field that stands twice', () => {
    const line = stored('INFO', 'auth', ',"service":"api"');
    expect(valuesOf(EVENTS_STREAM, line)).toEqual(['INFO', 'api']);
  });

  it('reads a name that is not UTF-8 as JSON.parse of its text would', () => {
    const line = Buffer.from(stored('INFO', 'auth', ',"~":"text"'));
    line[line.indexOf('~')] = 0xff;
    expect(countAll({ ...EVENTS_STREAM, countBy: ['\ufffd'] }, line).byField).toEqual([new Map([['text', 1]])]);
  });

  it('counts a stream without dimensions', () => {
    const counts = countAll({ required: [], countBy: [] }, '{"timestamp":"a","x":1}\n{"timestamp":"b"}\nx\n');
    expect(counts).toMatchObject({ records: 2, skippedLines: 1, byField: [], others: [] });
  });

  it('goes on from what was counted before, within the limits of each map', () => {
    const create = createDimensionCounters({ ...EVENTS_STREAM, countBy: ['service', 'x'] });
    const counter = create({
      before: { byField: [new Map([['a', 5]]), new Map()], others: [7, 0] },
      limits: { maxKeys: 2, maxKeyBytes: 100 },
    });
    const text =
      ['b', 'a', 'c', 'c'].map((service) => stored('INFO', service)).join('') + stored('INFO', 'b', ',"x":1,"y":{}');
    counter.count(Buffer.from(text), text.length);
    expect(counter.finish()).toMatchObject({
      byField: [
        new Map([
          ['a', 6],
          ['b', 2],
        ]),
        new Map([
          ['-', 4],
          ['1', 1],
        ]),
      ],
      others: [9, 0],
    });
  });
});

describe('plain records and parsed records agree', () => {
  const names = ['level', 'message', 'service', 'x', 'region', 'nä', '__proto__', 'constructor', 'le', '"', '\ufffd'];
  const spec = fc
    .record({
      required: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 4 }),
      countBy: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 4 }),
    })
    .map((each): Spec => each);
  const text = fc.oneof(
    fc.constantFrom('', '-', 'INFO', 'auth', '__proto__', '5', '"', '\\', '\u0000', 'é', '\ud83d', '\ufffd', 'true'),
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.string({ maxLength: 40 }),
  );
  const token = fc.oneof(
    text.map((each) => JSON.stringify(each)),
    fc.constantFrom(
      '1',
      '1.0',
      '-0',
      '1e5',
      '1E+05',
      '5',
      'true',
      'false',
      'null',
      '{}',
      '[]',
      '{"x":1}',
      '["x",2.50]',
    ),
    fc.constantFrom('01', '1.', '+1', 'nul', '"\\q"', '"\\u00e9"', '"\\u12"', ''),
  );
  const extra = fc.tuple(fc.oneof(fc.constantFrom(...names), text), token);
  const line = (required: readonly string[]) =>
    fc
      .tuple(
        fc.array(token, { minLength: required.length, maxLength: required.length }),
        fc.array(extra, { maxLength: 4 }),
        fc.boolean(),
      )
      .map(([values, extras, isText]) => {
        const fields = required.map((name, i) => [name, isText ? JSON.stringify(values[i]) : values[i]] as const);
        const members = [['timestamp', '"2025-11-22T10:05:03Z"'] as const, ...fields, ...extras];
        return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join()}}\n`;
      });
  const mutation = fc.record({
    at: fc.nat(),
    cut: fc.nat(2),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(0x22, 0x5c, 0x2c, 0x0a, 0x7d, 0x3a)),
  });
  const damaged = spec.chain((each) =>
    fc.record({
      spec: fc.constant(each),
      lines: fc.array(line(each.required), { maxLength: 6 }),
      mutations: fc.oneof(fc.constant([]), fc.array(mutation, { maxLength: 3 })),
      slice: fc.integer({ min: 1, max: 300 }),
    }),
  );

  it('on lines as stored and on damaged ones, of any layout, in slices of any size', () => {
    fc.assert(
      fc.property(damaged, ({ spec, lines, mutations, slice }) => {
        let bytes = Buffer.from(lines.join(''));
        for (const { at, cut, byte } of mutations) {
          const place = at % (bytes.length + 1);
          bytes = Buffer.concat([bytes.subarray(0, place), Buffer.from([byte]), bytes.subarray(place + cut)]);
        }
        // Of white space within an object or a list the truth says nothing, and of a backslash in a name nothing true (member-tokens.test.ts).
        fc.pre(!/[{[,:]\s|\s[}\],:]|\\(?:\\|u005c)(?:[^"\\]|\\.)*":/i.test(bytes.toString()));
        expect(countAll(spec, bytes, slice)).toEqual(countByParsing(spec, bytes));
      }),
      { numRuns: 5000 },
    );
  });
});
