import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { outcome, withoutNulAfterQuote } from '../../test/fuzz/targets/decode.ts';
import { csvBody, decodeOptions, jsonBody, mutate, ndjsonBody } from '../../test/support/decode-arbitraries.ts';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { createRandom } from '../../test/support/random.ts';
import { referenceDecoders } from '../../test/support/reference-decoders.ts';
import { ACCESS_STREAM } from '../model/stream.ts';
import { type DecodeOptions, TEXT_FORMATS, type TextFormat } from './decode.ts';
import { createDecoders } from './decoders.ts';

const decoders = createDecoders(ACCESS_STREAM);

// The fast readers and the slow ones make the same of every body: verdict, stored bytes, messages, places. FUZZ_CASES: how many bodies.
// `make fuzz ONLY=decode` goes on with other ones.
const CASES = Number(process.env.FUZZ_CASES ?? 210_000);
const MUTANTS = 9;

const RUNS = Math.ceil(CASES / TEXT_FORMATS.length / (MUTANTS + 1));
const PARAMETERS = { numRuns: RUNS, seed: 20_251_122 };
const TIMEOUT = 240_000;

const bodies: Readonly<Record<TextFormat, fc.Arbitrary<string>>> = { json: jsonBody, ndjson: ndjsonBody, csv: csvBody };

describe.each(TEXT_FORMATS)('the %s decoder and its reference', (format) => {
  test('make the same of every body, sound or damaged', { timeout: TIMEOUT }, () => {
    let cases = 0;
    fc.assert(
      fc.property(bodies[format], decodeOptions, fc.nat(), (text, options, seed) => {
        const body = Buffer.from(text);
        const random = createRandom(seed).next;
        for (let mutant = 0; mutant <= MUTANTS; mutant++) {
          const variant = withoutNulAfterQuote(mutant === 0 ? body : mutate(body, random));
          const actual = outcome(decoders[format], variant, options);
          const expected = outcome(referenceDecoders[format], variant, options);
          cases++;
          // Comparing first is a hundred times as fast as an expectation.
          if (actual !== expected) expect({ body: variant.toString(), actual }).toBe(expected);
        }
      }),
      PARAMETERS,
    );
    expect(cases).toBeGreaterThanOrEqual(CASES / TEXT_FORMATS.length);
  });
});

test('JSON.parse has the last word on what is JSON and on what is in a record', { timeout: TIMEOUT }, () => {
  const options: DecodeOptions = { ...DECODE_OPTIONS, invalid: 'skip' };
  fc.assert(
    fc.property(jsonBody, fc.nat(), (text, seed) => {
      const body = mutate(Buffer.from(text), createRandom(seed).next);
      const source = body.toString('utf8');
      fc.pre(Buffer.from(source).equals(body) && !source.startsWith('\ufeff'));
      const decoded = outcome(decoders.json, body, options);
      let values: unknown;
      try {
        values = JSON.parse(source);
      } catch {
        expect(decoded).toMatch(/^malformed not JSON: line \d+ column \d+: expected/);
        return;
      }
      const records = recordsIn(values);
      if (records === undefined || records.length === 0) {
        const neither = 'the body is neither a JSON array of records nor a record';
        expect(decoded).toBe(`malformed ${records === undefined ? neither : 'no log records provided'}`);
        return;
      }
      const stored = decoded.split('\n').filter((line) => line.startsWith('{'));
      const valid = records.filter((_, index) => !decoded.includes(`"reason":"record ${index} `));
      expect(stored.map((line) => JSON.parse(line)).sort(byText)).toEqual(valid.map(asStored).sort(byText));
    }),
    { ...PARAMETERS, numRuns: Math.min(PARAMETERS.numRuns, 5_000) },
  );
});

/** The records of a body: of an array, or the one that it is. */
function recordsIn(body: unknown): Record<string, unknown>[] | undefined {
  if (Array.isArray(body)) return body;
  return typeof body === 'object' && body !== null ? [body as Record<string, unknown>] : undefined;
}

/** What a record of these values reads as once it is stored; an instant is only known to be a string. */
function asStored(value: Record<string, unknown>): Record<string, unknown> {
  const trim = (field: unknown) => (typeof field === 'string' ? field.trim() : field);
  return { ...value, timestamp: expect.any(String), path: trim(value.path), userAgent: trim(value.userAgent) };
}

function byText(a: Record<string, unknown>, b: Record<string, unknown>): number {
  return `${a.path} ${a.userAgent}` < `${b.path} ${b.userAgent}` ? -1 : 1;
}
