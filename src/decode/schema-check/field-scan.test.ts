import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFieldRules } from './field-rules.ts';
import { createFieldScan } from './field-scan.ts';
import type { JsonObject } from './json.ts';
import { createRecordCheck } from './schema-check.ts';

// The scanner accepts only what ajv accepts, whatever the line, and all that ajv accepts of lines without escapes and odd numbers.

const SEED = { seed: 20_251_122 };
const SCHEMAS = Math.ceil(Number(process.env.FUZZ_CASES ?? 6_000) / 20);
const LINES = 40;

const NAMES = ['timestamp', 'a', 'ab', 'b', '__proto__', 'constructor', 'größe', 'x"y', 'a/b'];
const TIMESTAMPS = ['2025-11-22T15:23:00Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999999999Z'];
const TYPES = ['string', 'number', 'integer', 'boolean', 'null', 'object', 'array'];
const TEXTS = [
  '',
  'x',
  'INFO',
  'é',
  '\u{1f600}',
  'xyz',
  'ab"c',
  'a\\b',
  'tab\t',
  '\u0000',
  '\\u0078',
  '\u{1f600}é\u{1f600}',
];

const text = fc.oneof(
  fc.constantFrom(...TEXTS),
  fc.string({ unit: fc.constantFrom('x', 'é', '€', '\u{1f600}'), maxLength: 5 }),
);
const limit = fc.integer({ min: 0, max: 5 });
const fieldSchema = fc.oneof(
  fc.constantFrom(true, {}),
  fc.record(
    {
      type: fc.oneof(
        fc.constantFrom(...TYPES),
        fc.uniqueArray(fc.constantFrom(...TYPES), { minLength: 1, maxLength: 3 }),
      ),
      minLength: limit,
      maxLength: limit,
      enum: fc.uniqueArray(text, { minLength: 1, maxLength: 4 }),
      const: text,
      title: fc.constant('a title'),
    },
    { requiredKeys: [] },
  ),
);
const schemas = fc.record(
  {
    type: fc.constantFrom('object', ['object', 'null']),
    properties: fc
      .array(fc.tuple(fc.constantFrom(...NAMES.filter((one) => one !== '__proto__')), fieldSchema), { maxLength: 4 })
      .map((entries) => Object.fromEntries(entries)),
    required: fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 2 }),
    additionalProperties: fc.constantFrom(true, {}),
  },
  { requiredKeys: ['properties'] },
);

/** Tokens of JSON, and whether the scanner must be certain of them. */
const PLAIN = [
  '0',
  '-7',
  '123456789012345',
  'true',
  'false',
  'null',
  '{}',
  '[]',
  '[1,{"a":"]}"}]',
  '1.5',
  '"x"',
  '"xyz"',
];
const ODD = [
  '1.0',
  '1e2',
  '1e400',
  '9'.repeat(400),
  '-0',
  '12345678901234567890',
  '"\\u0078"',
  '"\\ud83d\\ude00"',
  '"a\\/b"',
  '{"x":"\\""}',
];
const token = fc.oneof(
  fc.constantFrom(...PLAIN).map((json) => ({ json, isPlain: true })),
  text.map((one) => ({ json: JSON.stringify(one), isPlain: !JSON.stringify(one).includes('\\') })),
  fc.constantFrom(...ODD).map((json) => ({ json, isPlain: false })),
);
const name = fc.constantFrom(...NAMES.filter((one) => one !== 'timestamp'));
const lines = fc
  .tuple(
    fc.constantFrom(...TIMESTAMPS),
    fc.uniqueArray(fc.tuple(name, token, fc.nat(9)), { selector: ([one]) => one, maxLength: 5 }),
  )
  .map(([timestamp, members]) => {
    let json = `{"timestamp":"${timestamp}"`;
    let isPlain = true;
    for (const [one, value, spelling] of members) {
      // A name may be written in another way than the service does.
      const isOdd = spelling === 0;
      const key = isOdd
        ? `"\\u00${one.charCodeAt(0).toString(16)}${JSON.stringify(one).slice(2)}`
        : JSON.stringify(one);
      json += `,${key}:${value.json}`;
      isPlain &&= value.isPlain && !key.includes('\\');
    }
    return { json: `${json}}`, isPlain };
  })
  .filter(({ json }) => isJson(json));

function isJson(json: string): boolean {
  try {
    JSON.parse(json);
    return true;
  } catch {
    return false;
  }
}

function scanBy(schema: JsonObject) {
  const rules = readFieldRules(schema);
  return rules && createFieldScan(rules);
}

describe('the scanner of fields', () => {
  it('accepts what ajv accepts', { timeout: 120_000 }, () => {
    const seen = { accepted: 0, refused: 0, plain: 0 };
    fc.assert(
      fc.property(schemas, fc.array(lines, { minLength: LINES, maxLength: LINES }), (schema, all) => {
        const scan = scanBy(schema);
        expect(scan).toBeDefined();
        const check = createRecordCheck(
          { schema: JSON.stringify(schema), references: [] },
          { version: () => undefined },
        );
        for (const { json, isPlain } of all) {
          const bytes = Buffer.from(`xx${json}\n"`);
          const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
          const isValid = check.faultOf(json) === undefined;
          for (const end of [bytes.length - 2, bytes.length - 1]) {
            const isAccepted = scan?.accepts(bytes, view, 2, end);
            if (isAccepted && !isValid) expect(`accepted: ${json}`).toBe(check.faultOf(json)?.problem);
            if (isPlain && isValid && !isAccepted) expect('not accepted').toBe(json);
          }
          if (isPlain) seen.plain++;
          if (isValid) seen.accepted++;
          else seen.refused++;
        }
      }),
      { ...SEED, numRuns: SCHEMAS },
    );
    // The property has met all kinds.
    expect(Math.min(seen.accepted, seen.refused, seen.plain)).toBeGreaterThan((SCHEMAS * LINES) / 20);
  });

  const judges = (what: string, field: object, value: string, isCertain: boolean) =>
    it(`is ${isCertain ? '' : 'not '}certain of ${what}`, () => {
      const line = Buffer.from(`{"a":${value}}`);
      const view = new DataView(line.buffer, line.byteOffset, line.length);
      const scan = scanBy({ properties: { a: field } });
      expect(scan?.accepts(line, view, 0, line.length)).toBe(isCertain);
    });
  judges('a text in a list', { enum: ['y', 'INFO'] }, '"INFO"', true);
  judges('a text that is written as another one', { enum: ['\\u0078'] }, '"\\u0078"', false);
  judges('a decimal number', { type: 'number' }, '1.25', true);
  judges('a number that is too large for ajv', { type: 'number' }, '9'.repeat(400), false);
  judges('an integer with a fraction', { type: 'integer' }, '1.0', false);
  judges('a text of long escapes', { minLength: 2 }, '"\\ud83d\\ude00"', false);
  judges('a text with few escapes', { minLength: 1, maxLength: 9 }, '"a\\nb"', true);

  const leaves = (what: string, schema: object) =>
    it(`leaves to ajv: ${what}`, () => expect(readFieldRules(JSON.parse(JSON.stringify(schema)))).toBeUndefined());
  leaves('other fields forbidden', { additionalProperties: false });
  leaves('fields within fields', { properties: { a: { properties: {} } } });
  leaves('numbers with limits', { properties: { a: { minimum: 1 } } });
  leaves('patterns', { properties: { a: { pattern: 'x' } } });
  leaves('formats', { properties: { a: { format: 'date-time' } } });
  leaves('alternatives', { anyOf: [{}] });
  leaves('references', { properties: { a: { $ref: '#/definitions/a' } }, definitions: { a: {} } });
  leaves('lists of numbers', { properties: { a: { enum: [1] } } });
  leaves('a field that is forbidden', { properties: { a: false } });
  leaves('no record at all', { type: 'string' });
});
