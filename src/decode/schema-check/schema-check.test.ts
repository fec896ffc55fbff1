import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fullFormats } from 'ajv-formats/dist/formats.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Schemas } from '../../model/schema.ts';
import { SchemaError } from './prepare-schema.ts';
import { createRecordCheck, type RecordCheck } from './schema-check.ts';

const NO_SCHEMAS: Pick<Schemas, 'version'> = { version: () => undefined };
const TIMESTAMP = '2025-11-22T15:23:00Z';

function checkOf(schema: unknown): RecordCheck {
  return createRecordCheck({ schema: JSON.stringify(schema), references: [] }, NO_SCHEMAS);
}

/** The reason, or `valid`. */
function verdict(check: RecordCheck, fields: object | string): string {
  const text = typeof fields === 'string' ? fields : JSON.stringify({ timestamp: TIMESTAMP, ...fields });
  const line = Buffer.from(`${text}\n`);
  const view = new DataView(line.buffer, line.byteOffset, line.length);
  const fault = check.faultOf(line.toString());
  // What is certainly valid is valid.
  if (check.accepts(line, view, 0, line.length)) expect(fault).toBeUndefined();
  return fault?.problem ?? 'valid';
}

describe('the schema LogEntry', () => {
  const schema = readFileSync(join(import.meta.dirname, '../../../config/schemas/log-entry.json'), 'utf8');
  const check = createRecordCheck({ schema, references: [] }, NO_SCHEMAS);
  const event = { level: 'INFO', message: 'ready', service: 'api' };
  const given = (fields: object) => verdict(check, { ...event, ...fields });

  it('is checked by the scanner', () => {
    expect(check.cost).toBeLessThan(1);
  });

  it('takes events up to its limits, which count characters', () => {
    expect(given({})).toBe('valid');
    expect(given({ message: 'é'.repeat(2048), service: '\u{1f600}'.repeat(128), user: { id: 1 } })).toBe('valid');
    expect(given({ message: '\u0001"'.repeat(1024) })).toBe('valid');
  });

  it('refuses others with the reasons of a LogEntry', () => {
    expect(given({ message: 'x'.repeat(2049) })).toBe('/message: message too long: 2049 characters, at most 2048');
    expect(given({ message: '\u{1f600}'.repeat(2049) })).toContain('message too long: 2049 characters');
    expect(given({ service: 'x'.repeat(129) })).toBe('/service: service name too long: 129 characters, at most 128');
    expect(given({ level: 'LOUD' })).toBe(
      '/level: invalid level: "LOUD"; expected one of "TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "CRIT", "ALERT", "EMERG"',
    );
    expect(given({ service: undefined })).toBe('/service: missing service');
    expect(given({ message: 5 })).toBe('/message: message must be string, found number');
  });
});

describe('a name with an escape', () => {
  it('is the name that it stands for, whatever names other records had', () => {
    const check = checkOf({ properties: { session: false, 'a"b': { type: 'number' } } });
    const line = (members: string) => `{"timestamp":"${TIMESTAMP}",${members}}`;
    for (const before of ['"\\\\u0073e":1', '"a\\\\\\"":1']) expect(verdict(check, line(before))).toBe('valid');
    expect(verdict(check, line('"\\u0073ession":1'))).toBe('/session: session is not allowed');
    expect(verdict(check, line('"a\\"b":"x"'))).toBe('/a"b: a"b must be number, found string');
  });
});

describe('a reason', () => {
  const says = (schema: object, fields: object, reason: string) =>
    it(reason, () => expect(verdict(checkOf(schema), fields)).toBe(reason));
  const field = (a: unknown) => ({ properties: { a } });

  says({ required: ['x/y'] }, {}, '/x~1y: missing x/y');
  says({ required: ['constructor'] }, {}, '/constructor: missing constructor');
  says(field({ type: ['integer', 'null'] }), { a: 1.5 }, '/a: a must be integer or null, found number');
  says(field({ minLength: 2, title: 'the code' }), { a: 'é' }, '/a: the code too short: 1 characters, at least 2');
  says(field({ enum: ['x', 1] }), { a: 'y'.repeat(99) }, `/a: invalid a: "${'y'.repeat(64)}…"; expected one of "x", 1`);
  says(field({ const: 7 }), { a: [] }, '/a: invalid a: an array; expected 7');
  says(field({ pattern: '^a+$' }), { a: 'b' }, '/a: invalid a: "b"; expected a text that matches "^a+$"');
  says(field({ format: 'ipv4' }), { a: '1.2.3' }, '/a: invalid a: "1.2.3"; expected the format "ipv4"');
  says(field({ minimum: 3 }), { a: 2 }, '/a: invalid a: 2; expected at least 3');
  says(field({ exclusiveMaximum: 3 }), { a: 3 }, '/a: invalid a: 3; expected less than 3');
  says(field({ multipleOf: 2 }), { a: 3 }, '/a: invalid a: 3; expected a multiple of 2');
  says(field({ maxItems: 1 }), { a: [1, 2] }, '/a: a has 2 items, at most 1 are allowed');
  says(field({ uniqueItems: true }), { a: [{ x: 1, y: 2 }, 0, { y: 2, x: 1 }] }, '/a: a has an item twice');
  says(field({ items: field({ type: 'string' }) }), { a: [{}, { a: 1 }] }, '/a/1/a: a must be string, found number');
  says(field(false), { a: 1 }, '/a: a is not allowed');
  says({ properties: { timestamp: {} }, additionalProperties: false }, { b: 1 }, '/b: field b is not allowed');
  says(field({ anyOf: [{ type: 'string' }, { minimum: 3 }] }), { a: 1 }, '/a: a has none of the allowed forms (anyOf)');
  says(field({ not: { const: 1 } }), { a: 1 }, '/a: a has a form that is not allowed (not)');
  says({ oneOf: [true, {}] }, {}, 'as a whole: record has more than one of the forms that exclude each other (oneOf)');
  says(JSON.parse('{"if":{"required":["a"]},"then":{"required":["b"]}}'), { a: 1 }, '/b: missing b');
  says({ dependencies: { a: ['b'] } }, { a: 1 }, '/b: missing b, which must stand beside "a"');
  says(
    { $schema: 'https://json-schema.org/draft/2020-12/schema', dependentRequired: { a: ['b'] } },
    { a: 1 },
    '/b: missing b, which must stand beside "a"',
  );
  says(
    {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      patternProperties: { y$: { maxItems: 0 } },
      anyOf: [
        {
          unevaluatedProperties: { maxProperties: 0 },
          items: { unevaluatedProperties: { minimum: 2 }, type: 'object', exclusiveMinimum: 3 },
        },
        { minItems: 0 },
      ],
    },
    { xy: { a: 1 } },
    'cannot be checked: the code that ajv made of its schema fails on it',
  );
  says(
    { propertyNames: { maxLength: 9 } },
    { abcdefghij: 1 },
    '/abcdefghij: "abcdefghij" is not allowed as the name of a field',
  );
});

describe('a schema', () => {
  it('may be of draft 06, 07, 2019-09 or 2020-12', () => {
    const tuple = (name: string, items: object) => ({ $schema: name, properties: { a: items } });
    const older = { items: [{ type: 'string' }] };
    for (const draft of ['draft-06', 'draft-07']) {
      expect(verdict(checkOf(tuple(`http://json-schema.org/${draft}/schema#`, older)), { a: [1] })).toContain('/a/0:');
    }
    const in2019 = { ...older, unevaluatedItems: false };
    const in2020 = { prefixItems: [{ type: 'number' }], items: false };
    expect(verdict(checkOf(tuple('https://json-schema.org/draft/2019-09/schema', in2019)), { a: [1] })).toContain(
      '/a/0:',
    );
    expect(verdict(checkOf(tuple('https://json-schema.org/draft/2020-12/schema', in2020)), { a: [1, 2] })).toContain(
      '/a',
    );
  });

  it('may have several patterns', () => {
    const check = checkOf({
      properties: { a: { pattern: '^a' }, b: { pattern: '^b' } },
      patternProperties: { c$: false },
    });
    expect(verdict(check, { a: 'a', b: 'b' })).toBe('valid');
    expect(verdict(check, { a: 'b', b: 'b' })).toContain('/a:');
    expect(verdict(check, { a: 'a', b: 'a' })).toContain('/b:');
    expect(verdict(check, { abc: 1 })).toBe('/abc: abc is not allowed');
  });

  it('may refer to itself and to the schemas that were registered as its references', () => {
    const shared = { $id: 'https://example.org/shared', definitions: { id: { type: 'integer' } }, type: 'object' };
    const schemas: Pick<Schemas, 'version'> = {
      version: (subject, version) => {
        if (subject !== 'shared' || version !== 2) return undefined;
        return { subject, version, schema: { id: 9, type: 'JSON', schema: JSON.stringify(shared), references: [] } };
      },
    };
    const schema = {
      $id: 'https://example.org/own.json#',
      $defs: { name: { type: 'string' }, tree: { properties: { next: { $ref: '#/$defs/tree' } }, required: ['v'] } },
      properties: {
        id: { $ref: 'shared.json#/definitions/id' },
        all: { $ref: 'shared.json' },
        name: { $ref: 'https://example.org/own.json#/$defs/name' },
        tree: { $ref: '#/$defs/tree' },
      },
    };
    const references = [{ name: 'shared.json', subject: 'shared', version: 2 }];
    const check = createRecordCheck({ schema: JSON.stringify(schema), references }, schemas);
    expect(verdict(check, { id: 1, all: {}, name: 'x', tree: { v: 1, next: { v: 1 } } })).toBe('valid');
    expect(verdict(check, { id: 'x' })).toBe('/id: id must be integer, found string');
    expect(verdict(check, { all: 3 })).toBe('/all: all must be object, found number');
    expect(verdict(check, { name: 3 })).toBe('/name: name must be string, found number');
    expect(verdict(check, { tree: { v: 1, next: { v: 1, next: {} } } })).toBe('/tree/next/next/v: missing v');
    const gone = [{ name: 'shared.json', subject: 'shared', version: 3 }];
    expect(() => createRecordCheck({ schema: JSON.stringify(schema), references: gone }, schemas)).toThrow(
      'reference "shared.json": subject shared has no version 3',
    );
  });

  const refuses = (what: string, schema: unknown, message: string | RegExp) =>
    it(`is refused: ${what}`, () => {
      const text = typeof schema === 'string' ? schema : JSON.stringify(schema);
      const compile = () => createRecordCheck({ schema: text, references: [] }, NO_SCHEMAS);
      expect(compile).toThrow(SchemaError);
      expect(compile).toThrow(message);
    });
  const nest = (depth: number): object => (depth === 0 ? {} : { not: nest(depth - 1) });

  refuses('not JSON', '{"type":', 'the schema is not JSON');
  refuses('no object', [], 'a JSON Schema is an object, true or false');
  refuses('an unknown type', { properties: { a: { type: 'text' } } }, 'data/properties/a/type');
  refuses(
    'another draft',
    { $schema: 'http://json-schema.org/draft-04/schema#' },
    '/$schema: "http://json-schema.org/draft-04/schema#" is not supported',
  );
  refuses(
    'a $ref to the network',
    { properties: { a: { $ref: 'https://example.org/x' } } },
    '/properties/a/$ref: "https://example.org/x" is neither in this schema',
  );
  refuses('a $ref to nothing', { $ref: '#/definitions/a' }, '/$ref: there is no schema at "#/definitions/a"');
  refuses('a $ref to an anchor that is not there', { $ref: '#a' }, "can't resolve reference #a of");
  refuses('a $ref to data', { $ref: '#/const', const: { $ref: '#' } }, 'there is no schema at "#/const"');
  refuses('a loop', { $ref: '#' }, 'the schema refers to itself without end');
  refuses('a longer loop', { allOf: [{ $ref: '#/x/a' }], x: { a: { anyOf: [{ $ref: '#' }] } } }, 'refers to itself');
  refuses('asynchronous', { $async: true }, '/$async: not supported');
  refuses('a rule for __proto__', '{"properties":{"__proto__":{}}}', '/properties/__proto__: not supported as a name');
  refuses('an $id within', { properties: { a: { $id: 'https://example.org/' } } }, '/properties/a/$id: only the root');
  refuses(
    'a pattern that takes more than linear time',
    { properties: { a: { pattern: '(?=a)b' } } },
    'pattern "(?=a)b": error parsing',
  );
  refuses(
    'a pattern with too many instructions',
    { properties: { a: { pattern: '(bcdefghijklmnopqrstuvw|c){200}' } } },
    'too many instructions',
  );
  refuses('nested too deep', nest(65), 'nested deeper than 64');
  refuses('too many subschemas', { anyOf: Array.from({ length: 500 }, () => ({})) }, 'more than 500 subschemas');
  refuses('too long', { description: 'x'.repeat(262_144) }, 'longer than 262144 bytes');
});

it('takes a text for a date-time exactly where ajv does', () => {
  const check = checkOf({ properties: { a: { format: 'date-time' } } });
  const part = (texts: readonly string[]) => fc.constantFrom(...texts);
  const dateTime = fc
    .tuple(
      part(['2025', '2024', '0000', '99999']),
      part(['-01-01', '-02-28', '-02-29', '-02-30', '-12-31', '-04-31', '-13-01', '-00-10', '-1-1']),
      part(['T', 't', ' ', '']),
      part(['00:00:00', '23:59:59', '23:59:60', '24:00:00', '12:60:00', '9:00:00', '12:00']),
      part(['', '.5', '.123456789', '.1234567890', '.', ',5']),
      part(['Z', 'z', '+01:00', '-23:59', '+24:00', '', 'ZZ']),
    )
    .map((parts) => parts.join(''));
  const { 'date-time': format } = fullFormats;
  const isDateTime = typeof format === 'object' && 'validate' in format ? format.validate : undefined;
  if (typeof isDateTime !== 'function') throw new Error('ajv-formats has no function for date-time');
  const known = isDateTime as (text: string) => boolean;
  let valid = 0;
  fc.assert(
    fc.property(dateTime, (text) => {
      if (known(text)) valid++;
      expect([text, verdict(check, { a: text }) === 'valid']).toEqual([text, known(text)]);
    }),
    { seed: 20_251_122, numRuns: 3_000 },
  );
  expect(valid).toBeGreaterThan(100);
});

describe('the work for a record', () => {
  /** `depth` definitions, each of which applies the next one twice. */
  const doubling = (depth: number) => ({
    $ref: '#/$defs/d0',
    $defs: Object.fromEntries(
      Array.from({ length: depth }, (_, i) => {
        const next = { $ref: `#/$defs/d${i + 1}` };
        return [`d${i}`, i === depth - 1 ? {} : { allOf: [next, next] }];
      }),
    ),
  });

  it('is limited where a schema applies itself again and again', () => {
    expect(verdict(checkOf(doubling(8)), {})).toBe('valid');
    // Twice for each level of the record.
    const twice = { properties: { a: { allOf: [{ $ref: '#' }, { $ref: '#' }] } } };
    let record: object = {};
    for (let depth = 0; depth < 60; depth++) record = { a: record };
    const before = performance.now();
    expect(() => checkOf(doubling(40))).toThrow('the schema refers to itself without end');
    expect(verdict(checkOf(twice), record)).toBe('takes too long to check against its schema');
    expect(performance.now() - before).toBeLessThan(10_000);
  });

  it('is limited where all alternatives fail', () => {
    const depth = 30;
    const definitions = Object.fromEntries(
      Array.from({ length: depth }, (_, i) => {
        const next = { $ref: `#/definitions/d${i + 1}` };
        return [`d${i}`, i === depth - 1 ? { maxLength: 0 } : { anyOf: [next, next] }];
      }),
    );
    const check = checkOf({ definitions, properties: { a: { $ref: '#/definitions/d0' } } });
    expect(verdict(check, {})).toBe('valid');
    expect(verdict(check, { a: 'x' })).toBe('takes too long to check against its schema');
  });

  it('grows with the length of a text, and not faster, for patterns, formats and unique items', () => {
    const before = performance.now();
    const long = 'a'.repeat(200_000);
    const pattern = checkOf({ properties: { a: { pattern: '^(a+)+$' } } });
    expect(verdict(pattern, { a: long })).toBe('valid');
    expect(verdict(pattern, { a: `${long}!` })).toContain('expected a text that matches');
    const format = checkOf({ properties: { a: { format: 'email' } } });
    expect(verdict(format, { a: 'a@example.org' })).toBe('valid');
    expect(verdict(format, { a: `${'a.'.repeat(100_000)}@example.org` })).toContain('expected the format');
    const unique = checkOf({ properties: { a: { uniqueItems: true } } });
    const items = Array.from({ length: 100_000 }, (_, i) => [i]);
    expect(verdict(unique, { a: items })).toBe('valid');
    expect(verdict(unique, { a: [...items, [5]] })).toBe('/a: a has an item twice');
    expect(performance.now() - before).toBeLessThan(10_000);
  });

  it('is limited where many values are compared with many others', () => {
    const listed = (value: (i: number) => unknown) =>
      checkOf({ properties: { a: { items: { enum: Array.from({ length: 200 }, (_, i) => value(i)) } } } });
    const texts = Array.from({ length: 10_000 }, () => 'n199');
    expect(
      verdict(
        listed((i) => `n${i}`),
        { a: texts },
      ),
    ).toBe('valid');
    const objects = Array.from({ length: 10_000 }, () => ({ n: 199 }));
    const byObjects = listed((n) => ({ n }));
    expect(verdict(byObjects, { a: objects.slice(0, 5) })).toBe('valid');
    expect(verdict(byObjects, { a: objects })).toBe('takes too long to check against its schema');
  });

  it('has an end for long lines', () => {
    const check = checkOf({ properties: { a: { minimum: 1 } } });
    const tooLong = 'exceeds 1048576 bytes, the most that a schema is checked on';
    expect(verdict(check, { a: 'x'.repeat(2 ** 20) })).toBe(tooLong);
    expect(verdict(checkOf({}), { a: 'x'.repeat(2 ** 20) })).toBe(tooLong);
  });
});
