import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { outcome, withoutNulAfterQuote } from '../../test/fuzz/targets/decode.ts';
import { anyStream, createBodies, decodeOptions, mutate } from '../../test/support/decode-arbitraries.ts';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { createRandom } from '../../test/support/random.ts';
import { createReferenceDecoders } from '../../test/support/reference-decoders.ts';
import { ACCESS_STREAM, EVENTS_STREAM, type Stream } from '../model/stream.ts';
import { type DecodeOptions, MAX_LISTED_REJECTIONS, TEXT_FORMATS } from './decode.ts';
import { createDecoders } from './decoders.ts';

// The fast readers and the slow ones make the same of every body: verdict, stored bytes, messages, places. FUZZ_CASES: how many bodies
// of access records, and of all other streams. `make fuzz ONLY=decode` goes on with other ones.
const CASES = Number(process.env.FUZZ_CASES ?? 105_000);
const MUTANTS = 9;

const RUNS = Math.ceil(CASES / TEXT_FORMATS.length / (MUTANTS + 1));
const PARAMETERS = { numRuns: RUNS, seed: 20_251_122 };
const TIMEOUT = 240_000;

interface Kind {
  readonly name: string;
  readonly streams: fc.Arbitrary<Stream>;
  /** Of CASES. */
  readonly share: number;
}

const kinds: readonly Kind[] = [
  { name: 'access', streams: fc.constant(ACCESS_STREAM), share: 1 },
  { name: 'events', streams: fc.constant(EVENTS_STREAM), share: 0.2 },
  { name: 'streams of teams', streams: anyStream, share: 0.2 },
];

describe.each(kinds)('of $name', ({ streams, share }) => {
  test.each(TEXT_FORMATS)(
    'the %s decoder and its reference make the same of every body, sound or damaged',
    (format) => {
      let cases = 0;
      const bodies = streams.chain((stream) => fc.tuple(fc.constant(stream), createBodies(stream)[format]));
      fc.assert(
        fc.property(bodies, decodeOptions, fc.nat(), ([stream, text], options, seed) => {
          const body = Buffer.from(seed % 4 === 0 ? afterListed(text) : text);
          const random = createRandom(seed).next;
          const decode = createDecoders(stream)[format];
          const reference = createReferenceDecoders(stream)[format];
          for (let mutant = 0; mutant <= MUTANTS; mutant++) {
            const variant = withoutNulAfterQuote(mutant === 0 ? body : mutate(body, random));
            const actual = outcome(decode, variant, options);
            const expected = outcome(reference, variant, options);
            cases++;
            // Comparing first is a hundred times as fast as an expectation.
            if (actual !== expected) expect({ stream, body: variant.toString(), actual }).toBe(expected);
          }
        }),
        { ...PARAMETERS, numRuns: Math.ceil(RUNS * share) },
      );
      expect(cases).toBeGreaterThanOrEqual((CASES / TEXT_FORMATS.length) * share);
    },
    TIMEOUT,
  );
});

/** The body with so many invalid records before it that its own are no more listed: then readers may only say that they are invalid. */
function afterListed(text: string): string {
  if (text.startsWith('[')) return `[${'1,'.repeat(MAX_LISTED_REJECTIONS)}${text.slice(1)}`;
  return text.startsWith('{') ? `${'1\n'.repeat(MAX_LISTED_REJECTIONS)}${text}` : text;
}

test('JSON.parse has the last word on what is JSON and on what is in a record', { timeout: TIMEOUT }, () => {
  const options: DecodeOptions = { ...DECODE_OPTIONS, invalid: 'skip' };
  const decoders = createDecoders(ACCESS_STREAM);
  fc.assert(
    fc.property(createBodies(ACCESS_STREAM).json, fc.nat(), (text, seed) => {
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
