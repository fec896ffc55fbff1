// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the configuration has a ${VAR} syntax of its own.
import { describe, expect, test } from 'vitest';
import { describeConfig, loadConfig } from './config.ts';
import { ConfigError } from './problem.ts';

type Env = Readonly<Record<string, string>>;

function problemsIn(text: string, env: Env = {}): readonly string[] {
  try {
    loadConfig({ file: 'c.yaml', text, env });
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}

function streamsIn(text: string, env: Env = {}) {
  return loadConfig({ file: 'c.yaml', text, env }).config.streams;
}

const NAME = 'expected up to 63 of a-z, 0-9 and "-", the first a letter';
const LONGEST = 'a'.repeat(63);

describe('streams in the configuration', () => {
  test('have a name, fields, and fields to count by; what is missing is empty', () => {
    const text = 'streams:\n  - {name: orders, required: [id, state], countBy: [state, shop]}\n  - name: plain';
    expect(streamsIn(text)).toEqual([
      { name: 'orders', required: ['id', 'state'], countBy: ['state', 'shop'] },
      { name: 'plain', required: [], countBy: [] },
    ]);
  });

  test.each(['', 'streams:', 'streams: []', 'streams: null', 'streams: ~'])('%j: there are none', (text) => {
    expect(streamsIn(text)).toEqual([]);
  });

  test.each(['a', 'a-', 'a9-b', LONGEST, 'accesses', 'constructor'])('the name %s is taken', (name) => {
    expect(streamsIn(`streams: [{name: ${name}}]`)).toHaveLength(1);
  });

  test.each([
    ['Orders', '"Orders"'],
    ['9a', '"9a"'],
    ['-a', '"-a"'],
    ['a_b', '"a_b"'],
    ['a.b', '"a.b"'],
    ['../a', '"../a"'],
    ['a/b', '"a/b"'],
    ['""', '""'],
    ['"a\\n"', '"a\\n"'],
    [`${LONGEST}a`, `"${LONGEST}a"`],
    ['7', '7; put it in quotes'],
    ['[a]', 'a list'],
  ])('the name %s is refused', (name, got) => {
    expect(problemsIn(`streams:\n  - name: ${name}`)).toEqual([`c.yaml:2: streams[0].name: ${NAME}, got ${got}`]);
  });

  test.each(['access', 'events'])('%s is built in', (name) => {
    expect(problemsIn(`streams:\n  - name: ok\n  - name: ${name}`)).toEqual([
      `c.yaml:3: streams[1].name: there is a stream ${name} already; access and events are built in`,
    ]);
  });

  test.each([
    'field',
    'with space',
    'ümlaut',
    '__proto__',
    'constructor',
    '"a\\"b"',
    `${'f'.repeat(128)}`,
  ])('a field may be named %s', (name) => {
    const [stream] = streamsIn(`streams: [{name: a, required: [${name}], countBy: [${name}]}]`);
    expect(stream?.required).toHaveLength(1);
  });

  test.each([
    ['required: [a, b, a]', 'required: names a field twice; timestamp is one of every record'],
    ['required: [timestamp]', 'required: names a field twice; timestamp is one of every record'],
    ['required: [""]', 'required: expected a list of names of fields, got ""'],
    ['required: ["a\\tb"]', 'required: expected a list of names of fields, got "a\\tb"'],
    [`required: [${'f'.repeat(129)}]`, `required: expected a list of names of fields, got "${'f'.repeat(76)}…`],
    ['required: [[a]]', 'required: expected a list of names of fields, got a list'],
    ['required: [7]', 'required: expected a list of names of fields, got 7'],
    ['required: a', 'required: expected a list of names of fields, got "a"'],
    ['countBy: [a, b, c, d, e]', 'countBy: names more than 4 fields'],
    ['countBy: [a, a]', 'countBy: names a field twice'],
    ['countBy: [timestamp]', 'countBy: names timestamp, which nearly every record has another of'],
  ])('%s is refused', (line, problem) => {
    expect(problemsIn(`streams:\n  - name: ok\n    ${line}`)).toEqual([`c.yaml:3: streams[0].${problem}`]);
  });

  test('four fields to count by are allowed, required or not', () => {
    expect(streamsIn('streams: [{name: a, required: [b], countBy: [b, c, d, e]}]')[0]?.countBy).toHaveLength(4);
  });

  test.each([
    ['streams: orders', ['c.yaml:1: streams: expected a list of at most 1000 objects']],
    ['streams: {name: orders}', ['c.yaml:1: streams: expected a list of at most 1000 objects']],
    [
      'streams: [orders]',
      [
        'c.yaml:1: streams[0]: expected a section with name, required, countBy',
        `c.yaml:1: streams[0].name: a name is missing; ${NAME}`,
      ],
    ],
    ['streams:\n  - required: [a]', [`c.yaml:2: streams[0].name: a name is missing; ${NAME}`]],
    ['streams:\n  -\n  - name: b', [`c.yaml:2: streams[0].name: a name is missing; ${NAME}`]],
    ['streams:\n  - name: a\n    requird: [b]', ['c.yaml:3: streams[0].requird: unknown key, did you mean required?']],
  ])('%j is refused', (text, problems) => {
    expect(problemsIn(text)).toEqual(problems);
  });

  test('every problem is named once, with its line', () => {
    const text = 'streams:\n  - name: A\n  - name: B\n  - {}\n  - name: a\n  - name: a\n    required: [b, b]';
    expect(problemsIn(text)).toEqual([
      `c.yaml:2: streams[0].name: ${NAME}, got "A"`,
      `c.yaml:3: streams[1].name: ${NAME}, got "B"`,
      `c.yaml:4: streams[2].name: a name is missing; ${NAME}`,
      'c.yaml:6: streams[4].name: there is a stream a already; access and events are built in',
      'c.yaml:7: streams[4].required: names a field twice; timestamp is one of every record',
    ]);
  });

  test('more than a thousand are refused', () => {
    const many = (count: number) =>
      `streams:\n${Array.from({ length: count }, (_, i) => `  - name: s${i}`).join('\n')}`;
    expect(streamsIn(many(1_000))).toHaveLength(1_000);
    expect(problemsIn(many(1_001))).toEqual(['c.yaml:1: streams: expected a list of at most 1000 objects']);
  });

  test('variables are replaced within, and there is none for the list', () => {
    const text = 'streams:\n  - name: ${NAME:-orders}\n    required: [id, "${FIELD:?set the field}"]';
    expect(streamsIn(text, { FIELD: 'state' })[0]).toMatchObject({ name: 'orders', required: ['id', 'state'] });
    expect(streamsIn(text, { FIELD: 'state', NAME: 'sales' })[0]?.name).toBe('sales');
    expect(problemsIn(text)).toEqual(['c.yaml:3: streams[0].required: FIELD is not set: set the field']);
    expect(problemsIn(text, { FIELD: 'a', NAME: '../x' })).toEqual([`c.yaml:2: streams[0].name: ${NAME}, got "../x"`]);
    expect(problemsIn('', { LOGFORGE_STREAMS: 'a' })).toEqual([
      'LOGFORGE_STREAMS: unknown variable, did you mean LOGFORGE_STORE_PATH?',
    ]);
  });

  test('validate --show has each key with its line', () => {
    const text = 'streams:\n  - name: orders\n    countBy: [state, shop]';
    const shown = describeConfig(loadConfig({ file: 'c.yaml', text }));
    expect(shown.filter(({ key }) => key.startsWith('streams'))).toEqual([
      { key: 'streams[0].name', value: 'orders', source: 'c.yaml:2' },
      { key: 'streams[0].required', value: '', source: expect.any(String) },
      { key: 'streams[0].countBy', value: 'state,shop', source: 'c.yaml:3' },
    ]);
  });

  test('a topic with the name of a stream behind has at most 249 characters', () => {
    const text = (version: number, topic: number) =>
      `version: ${version}\nkafka: {topic: ${'t'.repeat(topic)}}\nstreams:\n  - name: ${LONGEST}`;
    expect(problemsIn(text(2, 249 - 64))).toEqual([]);
    expect(problemsIn(text(1, 249))).toEqual([]);
    expect(problemsIn(text(2, 249 - 63))).toEqual([
      'c.yaml:4: streams[0].name: makes a topic of more than 249 characters with kafka.topic before it',
    ]);
    expect(problemsIn(`version: 2\nkafka: {topic: ${'t'.repeat(243)}}`)).toEqual([
      'c.yaml:2: kafka.topic: is too long: the topic of a stream has its name behind, and at most 249 characters',
    ]);
  });
});
