import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import { createLayout } from '../../lines/layout.ts';
import { LEVELS } from '../../model/level.ts';
import { LayoutScan } from '../layout-scan.ts';
import { createScanPlan } from '../scan-plan.ts';
import { readFieldRules } from './field-rules.ts';
import type { JsonObject } from './json.ts';
import { createFieldsTest } from './required-fields.ts';
import { createRecordCheck } from './schema-check.ts';

// The test of required fields accepts only what ajv accepts, and of texts without escapes all of it that is long enough.

const SEED = { seed: 20_251_122 };
const SCHEMAS = Math.ceil(Number(process.env.FUZZ_CASES ?? 6_000) / 20);
const LINES = 40;
const LAYOUT = createLayout({ required: ['level', 'größe', 'x"y'], levelField: 'level' });

const TEXTS = ['x', 'INFO', 'é', '\u{1f600}', 'ab"c', 'a\\b', 'a\tb', '\u0000', '\\u0078', 'n\nn', 'n\\nn'];
const text = fc.oneof(
  fc.constantFrom(...TEXTS),
  fc.string({ unit: fc.constantFrom('x', 'é', '€', '\u{1f600}', '"'), minLength: 1, maxLength: 40 }),
);
const field = fc.record(
  {
    type: fc.constantFrom('string', ['number', 'string']),
    minLength: fc.integer({ min: 0, max: 3 }),
    maxLength: fc.integer({ min: 1, max: 30 }),
    enum: fc.oneof(fc.constant([...LEVELS]), fc.constant(TEXTS), fc.uniqueArray(text, { minLength: 1, maxLength: 12 })),
  },
  { requiredKeys: [] },
);
const schemas = fc
  .array(fc.tuple(fc.constantFrom(...LAYOUT.fields), field), { maxLength: 4 })
  .map((entries) => ({ properties: Object.fromEntries(entries), required: LAYOUT.required }));
const records = fc.tuple(fc.constantFrom(...LEVELS), text, text, fc.constantFrom('', ',"status":200'));

/** The offset after the record in these bytes, -1 where the scanner leaves it to others, and whether the rules certainly accept it. */
function judge(schema: JsonObject, bytes: Buffer, at: number): { end: number; isAccepted: boolean } {
  const scan = new LayoutScan(createScanPlan(LAYOUT), bytes, DECODE_OPTIONS);
  const end = scan.storedEnd(at);
  if (end === -1) return { end, isAccepted: false };
  const rules = readFieldRules(schema) ?? [];
  return { end, isAccepted: createFieldsTest(rules, LAYOUT)?.(bytes, scan.view, at, scan.fieldEnds) ?? false };
}

describe('the test of required fields', () => {
  it('accepts what ajv accepts', { timeout: 120_000 }, () => {
    const seen = { accepted: 0, left: 0, refused: 0 };
    fc.assert(
      fc.property(schemas, fc.array(records, { minLength: LINES, maxLength: LINES }), (schema, all) => {
        const check = createRecordCheck(
          { schema: JSON.stringify({ allOf: [schema] }), references: [] },
          { version: () => undefined },
        );
        for (const [level, size, name, more] of all) {
          const texts = [level, size, name].map((one) => one.trim());
          if (texts.includes('')) continue;
          const members = LAYOUT.required.map((key, i) => `,${JSON.stringify(key)}:${JSON.stringify(texts[i])}`);
          const line = `{"timestamp":"2025-11-22T15:23:00Z"${members.join('')}${more}}`;
          const bytes = Buffer.from(`[${line}, `);
          const { end, isAccepted } = judge(schema, bytes, 1);
          // The scanner leaves some escapes to other readers.
          if (end === -1) continue;
          const problem = check.faultOf(line)?.problem;
          if (isAccepted) expect(problem).toBeUndefined();
          if (isAccepted) seen.accepted++;
          else if (problem === undefined) seen.left++;
          else seen.refused++;
        }
      }),
      { ...SEED, numRuns: SCHEMAS },
    );
    // The property has met all kinds.
    expect(Math.min(seen.accepted, seen.left, seen.refused)).toBeGreaterThan((SCHEMAS * LINES) / 50);
  });

  const line = Buffer.from('{"timestamp":"2025-11-22T15:23:00Z","level":"INFO","größe":"12345","x\\"y":"a\\nb"}, ');
  it.each<[string, object, boolean]>([
    ['nothing', {}, true],
    ['all levels', { level: { enum: [...LEVELS] } }, true],
    ['a list of some levels', { level: { enum: ['WARN', 'INFO'] } }, true],
    ['another level', { level: { const: 'WARN' } }, false],
    ['as many characters as there are', { größe: { type: 'string', minLength: 1, maxLength: 5 } }, true],
    ['fewer', { größe: { maxLength: 4 } }, false],
    ['so many that bytes do not tell', { größe: { minLength: 5 } }, false],
    ['a text with an escape', { 'x"y': { const: 'a\nb' } }, false],
    ['a text that stands there as the escape of another', { 'x"y': { const: 'a\\nb' } }, false],
    ['a number', { level: { type: 'number' } }, false],
    ['another field', { status: { type: 'string' } }, false],
    ['the timestamp', { timestamp: { type: 'string', format: 'date-time', maxLength: 20 } }, true],
    ['a shorter timestamp', { timestamp: { maxLength: 19 } }, false],
  ])('is certain where the schema asks for %s: %j', (_what, properties, isCertain) => {
    expect(judge({ properties }, line, 0)).toEqual({ end: line.length - 2, isAccepted: isCertain });
  });
});
