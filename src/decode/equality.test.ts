import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { csvBody, decodeOptions, jsonBody, mutate, ndjsonBody } from '../../test/support/decode-arbitraries.ts';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { referenceDecoders } from '../../test/support/reference-decoders.ts';
import { PermanentError } from '../model/deliver.ts';
import { BODY_FORMATS, type BodyFormat, type DecodeOptions, type Decoder, MalformedBodyError } from './decode.ts';
import { decoders } from './decoders.ts';
import { runToEnd } from './pace.ts';

// The fast readers and the slow ones make the same of every body: verdict, stored bytes, messages, places.
// FUZZ_CASES: how many bodies. FUZZ_MINUTES: as many as fit in that time instead, other ones in every run.
const CASES = Number(process.env.FUZZ_CASES ?? 210_000);
const MINUTES = Number(process.env.FUZZ_MINUTES ?? 0);
const MUTANTS = 9;

const RUNS = Math.ceil(CASES / BODY_FORMATS.length / (MUTANTS + 1));
const PARAMETERS: { numRuns: number; seed?: number; interruptAfterTimeLimit?: number } =
  MINUTES > 0
    ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: (MINUTES * 60_000) / BODY_FORMATS.length }
    : { numRuns: RUNS, seed: 20_251_122 };
const TIMEOUT = MINUTES > 0 ? MINUTES * 60_000 + 60_000 : 240_000;

const bodies: Readonly<Record<BodyFormat, fc.Arbitrary<string>>> = { json: jsonBody, ndjson: ndjsonBody, csv: csvBody };

describe.each(BODY_FORMATS)('the %s decoder and its reference', (format) => {
  test('make the same of every body, sound or damaged', { timeout: TIMEOUT }, () => {
    let cases = 0;
    fc.assert(
      fc.property(bodies[format], decodeOptions, fc.nat(), (text, options, seed) => {
        const body = Buffer.from(text);
        const random = createRandom(seed);
        for (let mutant = 0; mutant <= MUTANTS; mutant++) {
          const variant = withoutNulBehindQuote(mutant === 0 ? body : mutate(body, random));
          const actual = outcome(decoders[format], variant, options);
          const expected = outcome(referenceDecoders[format], variant, options);
          cases++;
          // Comparing first is a hundred times as fast as an expectation.
          if (actual !== expected) expect({ body: variant.toString(), actual }).toBe(expected);
        }
      }),
      PARAMETERS,
    );
    expect(cases).toBeGreaterThanOrEqual(MINUTES > 0 ? 1 : CASES / BODY_FORMATS.length);
  });
});

test('JSON.parse has the last word on what is JSON and on what is in a record', { timeout: TIMEOUT }, () => {
  const options: DecodeOptions = { ...DECODE_OPTIONS, invalid: 'skip' };
  fc.assert(
    fc.property(jsonBody, fc.nat(), (text, seed) => {
      const body = mutate(Buffer.from(text), createRandom(seed));
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
      if (!Array.isArray(values) || values.length === 0) {
        const reason = Array.isArray(values) ? 'no log records provided' : 'the body is not a JSON array of records';
        expect(decoded).toBe(`malformed ${reason}`);
        return;
      }
      const stored = decoded.split('\n').filter((line) => line.startsWith('{'));
      const valid = values.filter((_, index) => !decoded.includes(`"reason":"record ${index} `));
      expect(stored.map((line) => JSON.parse(line)).sort(byText)).toEqual(valid.map(asStored).sort(byText));
    }),
    { ...PARAMETERS, numRuns: Math.min(PARAMETERS.numRuns, 5_000) },
  );
});

/** Everything that a decoder says, as one text. */
function outcome(decode: Decoder, body: Buffer, options: DecodeOptions): string {
  try {
    // A copy: a decoder may write in its body.
    const { batch, accepted, rejections, rejected } = runToEnd(decode(Buffer.from(body), options));
    let text = `accepted ${accepted} rejected ${rejected}\n`;
    for (const { hour, count, lines } of batch) text += `hour ${hour} ${count}\n${lines.toString()}`;
    return rejections.length === 0 ? text : text + JSON.stringify(rejections);
  } catch (error) {
    if (error instanceof MalformedBodyError) return `malformed ${error.message}`;
    if (error instanceof PermanentError) return `refused ${error.message}`;
    throw error;
  }
}

/** To csv-parse a NUL behind a closing quote is the end of the text; to RFC 4180 and to us it is not. */
function withoutNulBehindQuote(body: Buffer): Buffer {
  for (let at = body.indexOf('"\0'); at !== -1; at = body.indexOf('"\0', at)) body[at + 1] = 1;
  return body;
}

/** What a record of these values reads as once it is stored; an instant is only known to be a string. */
function asStored(value: Record<string, unknown>): Record<string, unknown> {
  const trim = (field: unknown) => (typeof field === 'string' ? field.trim() : field);
  return { ...value, timestamp: expect.any(String), path: trim(value.path), userAgent: trim(value.userAgent) };
}

function byText(a: Record<string, unknown>, b: Record<string, unknown>): number {
  return `${a.path} ${a.userAgent}` < `${b.path} ${b.userAgent}` ? -1 : 1;
}

function createRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 0) / 4_294_967_296;
  };
}
