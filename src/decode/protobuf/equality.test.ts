import { fromBinary, toJson } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mutateBytes } from '../../../test/fuzz/mutate.ts';
import { outcome } from '../../../test/fuzz/targets/decode.ts';
import { decodeOptions } from '../../../test/support/decode-arbitraries.ts';
import {
  delimited,
  FLAT_SCHEMA,
  flatMessage,
  schemasOf,
  WIDE_SCHEMA,
  wideMessage,
} from '../../../test/support/protobuf-messages.ts';
import { createRandom } from '../../../test/support/random.ts';
import { createReferenceDelimited } from '../../../test/support/reference-protobuf.ts';
import { EVENTS_STREAM } from '../../model/stream.ts';
import { createDecoders } from '../decoders.ts';
import { runToEnd } from '../pace.ts';
import { checkMessage } from './check-message.ts';
import { fieldsOfMessage } from './message-json.ts';
import { compileSchema } from './message-types.ts';

const RUNS = 3_000;
const SEED = 20_251_127;
const KINDS = { flat: [FLAT_SCHEMA, flatMessage], wide: [WIDE_SCHEMA, wideMessage] } as const;
const UNLIMITED = { maxDepth: 100, maxElements: 1_000_000 };

describe.each(['flat', 'wide'] as const)('messages of the %s schema', (kind) => {
  const [schema, message] = KINDS[kind];
  const schemas = schemasOf({ 'events-protobuf': schema });
  const decode = createDecoders(EVENTS_STREAM, schemas)['protobuf-delimited'];
  const reference = createReferenceDelimited(EVENTS_STREAM, schemas);
  const desc = compileSchema({ id: 1, type: 'PROTOBUF', schema, references: [] }, schemas).messages[0];
  if (desc === undefined) throw new Error('no message');

  /** The message, and some that were changed. */
  const bytesOf = fc.tuple(message, fc.nat(), fc.integer({ min: 0, max: 2 })).map(([bytes, seed, times]) => {
    let changed = bytes;
    const random = createRandom(seed);
    for (let i = 0; i < times; i++) changed = mutateBytes(changed, random).subarray(0, 1_000);
    return changed;
  });

  test('are read by the fast path as by the reference: verdict, line, reason', () => {
    let accepted = 0;
    let refused = 0;
    const property = fc.property(
      fc.array(bytesOf, { minLength: 1, maxLength: 4 }),
      decodeOptions,
      (messages, options) => {
        const body = delimited(messages.filter((bytes) => bytes[0] !== 0));
        const actual = outcome(decode, body, options);
        expect(actual).toBe(outcome(reference, body, options));
        if (actual.startsWith('accepted 0') || !actual.startsWith('accepted')) refused++;
        else accepted++;
      },
    );
    fc.assert(property, { numRuns: RUNS, seed: SEED });
    expect(accepted).toBeGreaterThan(RUNS / 10);
    expect(refused).toBeGreaterThan(RUNS / 5);
  });

  test('that the check accepts are those that the library decodes, but for what the check alone refuses', () => {
    let sound = 0;
    const property = fc.property(bytesOf, (bytes) => {
      const problem = problemOf(() => runToEnd(checkMessage(desc, bytes, { start: 0, end: bytes.length }, UNLIMITED)));
      const library = problemOf(() => fromBinary(desc, bytes));
      if (problem === undefined) {
        expect(library).toBeUndefined();
        sound++;
      }
      if (library !== undefined) expect(problem).toBeDefined();
    });
    fc.assert(property, { numRuns: RUNS, seed: SEED });
    expect(sound).toBeGreaterThan(RUNS / 5);
  });

  test('have the JSON that the library gives them, with 64-bit integers as numbers', () => {
    const property = fc.property(message, (bytes) => {
      if (problemOf(() => runToEnd(checkMessage(desc, bytes, { start: 0, end: bytes.length }, UNLIMITED)))) return;
      const decoded = fromBinary(desc, bytes);
      let expected: unknown;
      try {
        expected = toJson(desc, decoded);
      } catch {
        // A Timestamp that is no year of RFC 3339: ours must not have a form for it either.
        expect(() => fieldsOfMessage(desc, decoded, { start: 0, maxDepth: 100 })).toThrow();
        return;
      }
      const fields = fieldsOfMessage(desc, decoded, { start: 0, maxDepth: 100 });
      const actual = Object.fromEntries([...fields].map(([name, json]) => [name, JSON.parse(json)]));
      expect(loose(actual)).toEqual(loose(expected));
    });
    fc.assert(property, { numRuns: RUNS, seed: SEED });
  });
});

/** Numbers by their value of 32 bits, so that 64-bit integers as text and floats with more digits are the same. */
function loose(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(loose);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, loose(member)]));
  }
  if (typeof value === 'string' && /^-?\d+\.\d+s$/.test(value)) return value.replace(/0+s$/, 's');
  const isNumeric = typeof value === 'number' || (typeof value === 'string' && /^-?\d+$/.test(value));
  return isNumeric ? Math.fround(Number(value)) : value;
}

function problemOf(run: () => void): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
