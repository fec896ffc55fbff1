import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFieldFinder, textOfValue } from './find-field.ts';
import { ACCESS, formatLine } from './layout.ts';

function find(line: string, name: string): string | undefined {
  const bytes = Buffer.from(line);
  const span = createFieldFinder(name)(bytes);
  return span === undefined ? undefined : bytes.toString('utf8', span.start, span.end);
}

const LINE = formatLine(
  ACCESS,
  '2025-11-22T15:23:00Z',
  ['/a"b', '{"path":1,'],
  ',"id":12345678901234567890,"nested":{"status":[1,{"id":"}"}]},"status":1.0,"tags":[],"":null,"st\\u0061te":"x"',
);

test.each([
  ['timestamp', '"2025-11-22T15:23:00Z"'],
  ['path', '"/a\\"b"'],
  ['userAgent', '"{\\"path\\":1,"'],
  ['id', '12345678901234567890'],
  ['nested', '{"status":[1,{"id":"}"}]}'],
  ['status', '1.0'],
  ['tags', '[]'],
  ['', 'null'],
  ['state', '"x"'],
])('finds the field %j', (name, value) => {
  expect(find(LINE, name)).toBe(value);
  expect(find(LINE.trimEnd(), name)).toBe(value);
});

test.each(['pat', 'path2', 'Path', 'st\\u0061te', 'toString', '__proto__'])('finds no field %j', (name) => {
  expect(find(LINE, name)).toBeUndefined();
});

test('gives the characters of a string and the JSON of anything else', () => {
  const text = (name: string) => {
    const bytes = Buffer.from(LINE);
    const span = createFieldFinder(name)(bytes);
    return span === undefined ? undefined : textOfValue(bytes, span);
  };
  expect(text('path')).toBe('/a"b');
  expect(text('status')).toBe('1.0');
  expect(text('tags')).toBe('[]');
});

test('finds in any line what JSON.parse reads there', () => {
  const name = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'é', 'a"b', '\\', 'a\u0000'));
  fc.assert(
    fc.property(fc.dictionary(name, fc.jsonValue(), { noNullPrototype: false }), name, (extras, other) => {
      const { timestamp, path, userAgent, ...rest } = extras;
      const json = JSON.stringify(rest).slice(1, -1);
      const line = formatLine(
        ACCESS,
        '2025-11-22T15:23:00Z',
        [`${path}`, `${userAgent} ${timestamp}`],
        json && `,${json}`,
      );
      const fields = new Map(Object.entries(JSON.parse(line)));
      for (const field of [...fields.keys(), other]) {
        const found = find(line, field);
        expect(found === undefined ? undefined : JSON.parse(found)).toEqual(fields.get(field));
      }
    }),
  );
});

test.each([
  '"\\x41"',
  '"\\q"',
  '"a\tb"',
  '1x',
  '01',
  '-',
  '"a"b',
  '"a""b"',
  '"a',
  '{"b":"\\q"}',
  '[1,]',
  'nul',
])('finds no value that is no JSON: %s', (value) => {
  expect(find(`{"path":${value},"x":1}\n`, 'path')).toBeUndefined();
  expect(find(`{"x":1,"path":${value}}\n`, 'path')).toBeUndefined();
});

test('stays within any other text', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[{}[\]",:\\a ]{0,40}$/), (text) => {
      const span = createFieldFinder('a')(Buffer.from(text));
      if (span !== undefined) expect(span.start <= span.end && span.end <= Buffer.byteLength(text)).toBe(true);
    }),
  );
});
