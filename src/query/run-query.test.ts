import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson } from '../lines/parse-json.ts';
import { LEVELS, toLevel } from '../model/level.ts';
import type { HourSource } from './hour-blocks.ts';
import { type DamagedPart, type QueryTexts, readRecordQuery } from './query.ts';
import { createQueryRun } from './run-query.ts';

const EVENTS = { required: ['level', 'message', 'service'] };
const HOUR = 411_111;

class Damaged extends Error {
  readonly offset: number;
  readonly bytes: number;
  constructor(offset: number, bytes: number) {
    super('bad checksum');
    this.offset = offset;
    this.bytes = bytes;
  }
}

interface Setup {
  /** The text of each hour, from HOUR on. */
  readonly hours: readonly string[];
  readonly format?: 'ndjson' | 'csv';
  /** Bytes that one read gives at most. */
  readonly readBytes?: number;
  /** Ranges of the first hour that cannot be read: offset and length. */
  readonly damaged?: readonly (readonly [number, number])[];
  /** Of an hour that is said to be longer than its file. */
  readonly missing?: number;
  readonly now?: () => number;
}

function sourceOf(text: Buffer, { readBytes = Infinity, damaged = [] }: Setup): HourSource & { close(): void } {
  return {
    size: text.length,
    read(target, offset, length, position) {
      const end = Math.min(position + length, position + readBytes, text.length);
      const hit = damaged.find(([start, bytes]) => start < end && start + bytes > position);
      if (hit !== undefined) throw new Damaged(...hit);
      return text.copy(target, offset, position, end);
    },
    close: () => undefined,
  };
}

function run(texts: QueryTexts, setup: Setup) {
  const { hours, format = 'ndjson', missing = 0, now } = setup;
  const bytes = hours.map((text) => Buffer.from(text));
  const query = readRecordQuery({ limit: 'all', ...texts }, format);
  const work = createQueryRun(query, EVENTS, {
    openHour: ({ hour }) =>
      sourceOf(bytes[hour - HOUR] ?? Buffer.alloc(0), hour === HOUR ? setup : { ...setup, damaged: [] }),
    rangeOf: (error) => (error instanceof Damaged ? error : undefined),
    ...(now !== undefined && { now }),
  });
  const all = bytes.map((text, i) => ({ stream: 'events', hour: HOUR + i, path: '', bytes: text.length + missing }));
  const committed = query.order === 'desc' ? all.toReversed() : all;
  let output = '';
  let steps = 0;
  let read = 0;
  const found: DamagedPart[] = [];
  let moreDamaged = 0;
  for (;;) {
    const step = work.step();
    output += step.bytes.toString();
    steps += 1;
    read += step.read;
    found.push(...step.damaged);
    moreDamaged += step.moreDamaged;
    if (step.state === 'done') break;
    if (step.state === 'hours') work.add(committed.splice(0, 1), committed.length === 0);
  }
  return { output, steps, read, damaged: found, moreDamaged, lines: output.split('\n').slice(0, -1) };
}

const time = (hour: number, minute: number, fraction = '') =>
  `${new Date(hour * 3_600_000 + minute * 60_000).toISOString().slice(0, 19)}${fraction}Z`;
const line = (i: number, extra = '') =>
  `{"timestamp":"${time(HOUR, i % 60)}","level":"INFO","message":"m${i}","service":"s"${extra}}\n`;

/** The same by JSON.parse, one line after the other. */
function reference(texts: QueryTexts, hours: readonly string[]): string[] {
  const query = readRecordQuery({ limit: 'all', ...texts }, 'ndjson');
  const lines = hours.flatMap((text) => text.split('\n').slice(0, -1));
  const found = lines.filter((text) => {
    // The rest of the line is as it was stored.
    const record = parseJson(BROKEN.reduce((sound, one) => sound.replace(`,"broken":${one}`, ''), text)) as Record<
      string,
      unknown
    >;
    const textOf = (name: string): string | undefined => {
      const value = lookUp(record, name);
      return value === undefined || typeof value === 'string' ? value : JSON.stringify(value);
    };
    const at = Date.parse(String(record.timestamp));
    if (query.from !== undefined && at < Date.parse(query.from.text)) return false;
    if (query.to !== undefined && at >= Date.parse(query.to.text)) return false;
    if (query.contains !== undefined && !text.includes(query.contains)) return false;
    if (query.matches !== undefined && !new RegExp(query.matches, 'u').test(text)) return false;
    return query.where.every((condition) => {
      const value = textOf(condition.field);
      if (condition.kind === 'absent') return value === undefined;
      if (condition.kind === 'equal') return value === condition.value;
      if (condition.kind === 'unequal') return value !== condition.value;
      if (value === undefined) return false;
      const [one, than] =
        condition.kind === 'number'
          ? [value.trim() === '' ? Number.NaN : Number(value), condition.than]
          : [LEVELS.indexOf(toLevel(value) as 'INFO'), LEVELS.indexOf(condition.than)];
      if (Number.isNaN(one) || (condition.kind === 'level' && one < 0)) return false;
      return { '<': one < than, '<=': one <= than, '>': one > than, '>=': one >= than }[condition.order];
    });
  });
  const ordered = query.order === 'desc' ? found.toReversed() : found;
  return ordered.slice(0, query.limit);
}

function lookUp(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const record = value as Record<string, unknown>;
  if (Object.hasOwn(record, name)) return record[name];
  const dots = [...name.matchAll(/\./g)].map(({ index }) => index).filter((at) => at > 0 && at < name.length - 1);
  for (const dot of dots) {
    const outer = name.slice(0, dot);
    const inner = Object.hasOwn(record, outer) ? lookUp(record[outer], name.slice(dot + 1)) : undefined;
    if (inner !== undefined) return inner;
  }
  return undefined;
}

/** Longer than what a block is searched for. */
const LONG = 'ab/'.repeat(30);
const WORDS = [LONG, `${LONG}c`, 'a', 'b', 'ab', 'a/b', 'é', 'a"b', '\\', 'x y', '5', '50', 'null', 'ERROR', 'ERR', ''];
/** What JSON does not know, as after a flipped bit or an edit by hand. */
const BROKEN = ['"\\x41"', '"a\\q"', '"\\u12"', '"a\tb"', '1x2', '01', '{"b":"\\q"}', '"a"b'];
const NAMES = ['x', 'y', 'a.b', 'a', 'status', '__proto__'];
const word = fc.constantFrom(...WORDS);
const plainValue = fc.oneof(word, fc.integer({ min: -5, max: 60 }), fc.constant(null), fc.boolean());
const value = fc.oneof(
  { weight: 4, arbitrary: plainValue },
  { weight: 1, arbitrary: fc.dictionary(fc.constantFrom('b', 'c', 'b.c'), plainValue) },
  { weight: 1, arbitrary: fc.array(plainValue, { maxLength: 2 }) },
);

/** A text in JSON with some of its characters escaped without need, as clients may send it. */
const spelled = (text: string, spelling: number): string =>
  JSON.stringify(text).replace(/[a-z/]/gi, (character, at: number) => {
    if ((spelling >> (at % 8)) % 2 === 0) return character;
    return character === '/' ? '\\/' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
const token = (one: unknown, spelling: number): string =>
  typeof one === 'string' ? spelled(one, spelling) : JSON.stringify(one);

const storedLine = fc
  .record({
    minute: fc.integer({ min: 0, max: 59 }),
    fraction: fc.constantFrom('', '.5', '.123'),
    level: fc.constantFrom(...LEVELS),
    message: word,
    service: word,
    extras: fc.dictionary(fc.constantFrom(...NAMES), value, { noNullPrototype: true }),
    spelling: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(255) }),
    padding: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(100_000) }),
    broken: fc.oneof(
      { weight: 6, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constantFrom(...BROKEN) },
    ),
    isByHand: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  })
  .map(
    ({ minute, fraction, level, message, service, extras, spelling, padding, broken, isByHand }) =>
      (hour: number) => {
        const pairs: [string, string][] = [
          ['"timestamp"', `"${time(hour, minute, fraction)}"`],
          ['"level"', `"${level}"`],
          ['"message"', JSON.stringify(message)],
          ['"service"', JSON.stringify(service)],
          ...Object.entries(extras).map(([name, one]): [string, string] => [
            spelled(name, spelling),
            token(one, spelling),
          ]),
        ];
        if (padding > 0) pairs.push(['"pad"', `"${'p'.repeat(padding)}"`]);
        if (broken !== undefined) pairs.splice(pairs.length - (spelling % 3), 0, ['"broken"', broken]);
        return isByHand && broken === undefined
          ? `{ ${pairs.map(([name, one]) => `${name}: ${one}`).join(', ')} }\n`
          : `{${pairs.map(([name, one]) => `${name}:${one}`).join(',')}}\n`;
      },
  );

const conditionText = fc.oneof(
  fc
    .tuple(fc.constantFrom(...NAMES, 'a.b.c', 'message'), fc.constantFrom('=', '!='), word)
    .map((parts) => parts.join('')),
  fc.constantFrom('broken=a', 'broken!=A', 'broken>=1', 'broken<error', 'broken.b=1', '!broken', '!broken.b'),
  fc.constantFrom(...NAMES, 'nothing').map((name) => `!${name}`),
  fc.constantFrom('level>=WARN', 'level<error', 'status>=5', 'x<=50', 'y>0'),
);

const texts = fc.record(
  {
    from: fc.constantFrom(time(HOUR, 0), time(HOUR, 20, '.4'), time(HOUR + 1, 0)),
    to: fc.constantFrom(time(HOUR + 1, 30), time(HOUR + 2, 0), time(HOUR + 1, 0, '.1')),
    where: fc.array(conditionText, { maxLength: 3 }),
    contains: fc.constantFrom(
      LONG,
      `${LONG}c"`,
      `"pad":"${'p'.repeat(200)}`,
      'p'.repeat(3_000),
      'a',
      'ab',
      '"x":',
      'ERROR',
      '/',
      'é',
      'nowhere',
    ),
    matches: fc.constantFrom('a+b', '"level":"(ERROR|CRIT)"', '^\\{"timestamp":"20', 'é$', '(a+)+"'),
    limit: fc.constantFrom('1', '2', '10', 'all'),
    order: fc.constantFrom('asc', 'desc'),
  },
  { requiredKeys: [] },
);

describe('a query', () => {
  it('finds what JSON.parse finds, in the same order, on any lines and with reads of any length', () => {
    const hours = fc.array(fc.array(storedLine, { maxLength: 12 }), { maxLength: 3 });
    const readBytes = fc.constantFrom(Infinity, 1_000, 7_777);
    fc.assert(
      fc.property(hours, texts, readBytes, (lists, asked, most) => {
        const all = lists.map((list, i) => list.map((make) => make(HOUR + i)).join(''));
        expect(run(asked, { hours: all, readBytes: most }).lines).toEqual(reference(asked, all));
      }),
      { numRuns: 600 },
    );
  });

  it.each(['asc', 'desc'])('reads lines that end at, before and after the border of a block (%s)', (order) => {
    for (const length of [65_535, 65_536, 65_537, 131_072, 2_500_000]) {
      const pad = (bytes: number) => line(0, `,"pad":"${'p'.repeat(bytes - line(0).length - 9)}"`);
      const hours = [line(1) + pad(length) + line(2) + pad(length - line(1).length) + line(3)];
      const { lines } = run({ order }, { hours });
      expect(lines).toEqual(reference({ order }, hours));
    }
  });

  it.each([
    'asc',
    'desc',
  ])('takes an hour without lines, and leaves out what stands after the last newline (%s)', (order) => {
    const unterminated = line(2).slice(0, -1);
    expect(run({ order }, { hours: ['', line(1), ''] }).output).toBe(line(1));
    expect(run({ order }, { hours: [unterminated] }).output).toBe('');
    expect(run({ order }, { hours: [line(1) + unterminated] }).output).toBe(line(1));
    expect(run({ order }, { hours: [`${line(1)}${'x'.repeat(200_000)}`] }).output).toBe(line(1));
  });

  it('reads no further than the limit asks for, from either end', () => {
    const hours = [Array.from({ length: 50_000 }, (_, i) => line(i)).join('')];
    for (const order of ['asc', 'desc']) {
      const { lines, read } = run({ order, limit: '100' }, { hours });
      expect(lines).toEqual(reference({ order, limit: '100' }, hours));
      expect(read).toBeLessThanOrEqual(64 * 1024);
    }
  });

  it('gives the records in slices, each step in limited time', () => {
    const hours = [Array.from({ length: 20_000 }, (_, i) => line(i)).join('')];
    let clock = 0;
    const { lines, steps } = run({ where: ['level=INFO', 'service=s', 'x!=1'] }, { hours, now: () => clock++ });
    expect(lines).toHaveLength(20_000);
    expect(steps).toBeGreaterThan(5);
  });

  it('reports a part that cannot be read once, and gives the rest', () => {
    const parts = [line(1) + line(2), line(3), line(4) + line(5), line(6), line(7)];
    const offset = (n: number) => parts.slice(0, n).join('').length;
    const damaged = [1, 3].map((n) => [offset(n), parts[n]?.length ?? 0] as const);
    const left = [parts[0], parts[2], parts[4]].join('').split('\n').slice(0, -1);
    for (const readBytes of [Infinity, 10]) {
      const forward = run({}, { hours: [parts.join('')], damaged, readBytes });
      expect(forward.lines).toEqual(left);
      const backward = run({ order: 'desc' }, { hours: [parts.join('')], damaged, readBytes });
      expect(backward.lines).toEqual(left.toReversed());
      for (const { damaged: found } of [forward, backward]) {
        expect(found.toSorted((a, b) => a.offset - b.offset)).toEqual(
          damaged.map(([at, bytes]) => ({ stream: 'events', hour: HOUR, offset: at, bytes, reason: 'bad checksum' })),
        );
      }
    }
    const whole = run({ order: 'desc' }, { hours: [line(1), line(2)], damaged: [[0, line(1).length]] });
    expect([whole.output, whole.damaged.length]).toEqual([line(2), 1]);
  });

  it.each(['asc', 'desc'])('gives the lines of a file that is shorter than it was, and says so (%s)', (order) => {
    const { lines, damaged } = run({ order }, { hours: [line(1) + line(2)], missing: 200_000 });
    expect(lines.toSorted()).toEqual([line(1), line(2)].map((one) => one.trimEnd()));
    expect(damaged.map(({ reason }) => reason)).toEqual([expect.stringContaining('the file ends before')]);
  });

  it('takes linear time for a pattern that explodes elsewhere', () => {
    const hours = [line(1, `,"x":"${'a'.repeat(100_000)}!"`)];
    const started = performance.now();
    expect(run({ matches: '(a+)+$' }, { hours }).output).toBe('');
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it.each([
    '2016-11-24T15:\\q0:00Z',
    'zzzZ',
    '2016-11-24T15:01:00.1xZ',
    '2016-11-24T15Z',
    '\\u0032Z',
  ])('finds no line with the timestamp %s in a part of its hour', (broken) => {
    const hours = [line(30) + line(1).replace(time(HOUR, 1), broken)];
    expect(run({ from: time(HOUR, 1) }, { hours }).output).toBe(line(30));
    expect(run({ to: time(HOUR, 59) }, { hours }).output).toBe(line(30));
  });

  it.each(['asc', 'desc'])('takes linear time for a long text that nearly stands there (%s)', (order) => {
    const wide = line(1, `,"x":"${'a'.repeat(250_000)}"`);
    const hours = [wide.repeat(8)];
    for (const contains of [`${'a'.repeat(2_047)}b${'a'.repeat(2_047)}`, `${'a'.repeat(40)}b${'a'.repeat(4_000)}`]) {
      const started = performance.now();
      expect(run({ contains, order }, { hours }).output).toBe('');
      expect(performance.now() - started).toBeLessThan(5_000);
    }
  });

  it.each(['asc', 'desc'])('leaves out and names a line that a large pattern would need seconds for (%s)', (order) => {
    const wide = line(2, `,"x":"${'ab'.repeat(125_000)}"`);
    const hours = [line(1).repeat(2_000) + wide + line(3), line(4) + wide];
    const started = performance.now();
    const { lines, damaged } = run({ matches: 'm[134]"|(a|b)*a(a|b){600}$', where: ['message!=m3'], order }, { hours });
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(lines).toHaveLength(2_001);
    const reason = expect.stringMatching(/the pattern could need seconds for a line of 250\d+ bytes/);
    const part = { stream: 'events', bytes: wide.length, reason };
    const first = { ...part, hour: HOUR, offset: line(1).length * 2_000 };
    const second = { ...part, hour: HOUR + 1, offset: line(4).length };
    expect(damaged).toEqual(order === 'asc' ? [first, second] : [second, first]);
    expect(run({ matches: 'm[134]"|(a|b)*a(a|b){600}$', where: ['message!=m2'] }, { hours }).damaged).toEqual([]);
  });

  it('looks at the clock often where a pattern takes long', () => {
    let looks = 0;
    const hours = [line(1, `,"x":"${'ab'.repeat(1_000)}"`).repeat(100)];
    run({ matches: '(a|b)*a(a|b){20}$' }, { hours, now: () => ++looks });
    expect(looks).toBeGreaterThan(25);
  });

  it('names a limited number of the parts that it leaves out, and says how many others there are', () => {
    const hours = [line(1).repeat(3_000)];
    const damaged = Array.from({ length: 1_200 }, (_, i) => [2 * i * line(1).length, line(1).length] as const);
    let clock = 0;
    const answer = run({}, { hours, damaged, now: () => (clock += 10), readBytes: 7_777 });
    expect(answer.lines).toHaveLength(1_800);
    expect([answer.damaged.length, answer.moreDamaged]).toEqual([1_000, 200]);
    expect(answer.steps).toBeGreaterThan(3);
  });

  it('refuses a pattern that cannot be used', () => {
    expect(() => run({ matches: '(' }, { hours: [] })).toThrow(/regular expression in the syntax of RE2: .*missing/);
    expect(() => run({ matches: '(?=a)' }, { hours: [] })).toThrow('regular expression');
    expect(() => run({ matches: '((a{1,100}){1,10}b){1,10}' }, { hours: [] })).toThrow();
  });
});

describe('selected fields', () => {
  const hours = [line(1, ',"a":{"b":"x,\\"y\\"\\nz"},"n":1.0,"f":"=1+1"') + line(2)];

  it('are written in the order of the query, with their tokens as stored', () => {
    const { lines } = run({ fields: 'n,a.b,message,none' }, { hours });
    expect(lines).toEqual(['{"n":1.0,"a.b":"x,\\"y\\"\\nz","message":"m1"}', '{"message":"m2"}']);
    expect(run({ fields: 'none' }, { hours }).lines).toEqual(['{}', '{}']);
  });

  it('are cells of a table, quoted where they must be, and formulas are made harmless', () => {
    const { output } = run({ fields: 'message,a.b,f,n' }, { hours, format: 'csv' });
    expect(output).toBe('message,a.b,f,n\r\nm1,"x,""y""\nz",\'=1+1,1.0\r\nm2,,,\r\n');
  });

  it('are formulas only where they are texts', () => {
    const lines = [line(1, ',"n":-5,"o":{"a":-1,"b":"=x"},"t":"-5"')];
    expect(run({ fields: 'n,o,t' }, { hours: lines, format: 'csv' }).output).toBe(
      'n,o,t\r\n-5,"{""a"":-1,""b"":""=x""}",\'-5\r\n',
    );
  });

  it.each(BROKEN)('leave out a value that is no JSON: %s', (broken) => {
    const lines = [line(1, `,"n":${broken}`), line(2)];
    expect(run({ fields: 'n,message' }, { hours: lines }).lines).toEqual(['{"message":"m1"}', '{"message":"m2"}']);
    expect(run({ fields: 'n,message' }, { hours: lines, format: 'csv' }).output).toBe('n,message\r\n,m1\r\n,m2\r\n');
  });

  it('are the last of their name in an object, as for JSON.parse', () => {
    const lines = [line(1, ',"a":{"b":1,"c":{"d":1,"\\u0064":2},"b":{"e":3},"c":{"d":4,"d":5}}')];
    expect(run({ fields: 'a.b,a.c.d,a.b.e' }, { hours: lines }).lines).toEqual(['{"a.b":{"e":3},"a.c.d":5,"a.b.e":3}']);
    expect(run({ where: ['a.c.d=4'] }, { hours: lines }).lines).toEqual([]);
  });

  it('of a table without a choice are those that every record has', () => {
    const { output } = run({ limit: '1' }, { hours, format: 'csv' });
    expect(output).toBe(`timestamp,level,message,service\r\n${time(HOUR, 1)},INFO,m1,s\r\n`);
  });
});
