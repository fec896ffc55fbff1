import fc from 'fast-check';
import { type DecodeOptions, MalformedBodyError } from '../../../src/decode/decode.ts';
import { createDecoders } from '../../../src/decode/decoders.ts';
import { runToEnd } from '../../../src/decode/pace.ts';
import { PermanentError } from '../../../src/model/deliver.ts';
import type { Schemas } from '../../../src/model/schema.ts';
import { EVENTS_STREAM } from '../../../src/model/stream.ts';
import { block, double, header, LOG_ENTRY, long, PACKERS, text } from '../../support/avro-bodies.ts';
import { decodeOptions, flatText, timestamp } from '../../support/decode-arbitraries.ts';
import { DECODE_OPTIONS } from '../../support/decode-options.ts';
import type { Random } from '../../support/random.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';
import { join, split, withHead } from '../headed.ts';
import { mutateBytes, withoutPieces } from '../mutate.ts';
import { holdsLimits, outcome } from './decode.ts';

/*
 * Bodies in Avro. Flat records are read by the fast reader and, with one more field of no bytes in their schema, by the reference reader:
 * both must say the same. And each by itself: it ends, with records or with an error of its own, and the limits hold.
 */

interface Head {
  /** Blocks of a file, whose header is sound; one record; or a whole file. */
  readonly form: 'blocks' | 'record' | 'file';
  readonly codec: string;
  readonly options: DecodeOptions;
}

const FIELDS = [
  { name: 'count', type: 'long' },
  { name: 'share', type: 'double' },
  { name: 'note', type: ['null', 'string', 'int'] },
  { name: 'isNew', type: 'boolean' },
  { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] } },
];
const FLAT = { ...LOG_ENTRY, fields: [...LOG_ENTRY.fields, ...FIELDS] };
const NOTHING = { name: 'nothing', type: { type: 'record', name: 'Nothing', fields: [] } };
const NOT_FLAT = { ...FLAT, fields: [...FLAT.fields, NOTHING] };

const flat = createDecoders(EVENTS_STREAM, registryOf(FLAT)).avro;
const notFlat = createDecoders(EVENTS_STREAM, registryOf(NOT_FLAT)).avro;

export const avroTarget: FuzzTarget = {
  name: 'avro',
  runsPerSecond: 400,
  make(random) {
    const [options = DECODE_OPTIONS] = fc.sample(decodeOptions, { numRuns: 1, seed: random.int(0, 2 ** 31 - 1) });
    const codec = random.pick(Object.keys(PACKERS));
    const form = random.pick(['blocks', 'blocks', 'record', 'file'] as const);
    // The field of no bytes stands in the lines and dead letters of the reference, so no limit on them may be near.
    const { extraFields, invalid } = options;
    const ofRecord = extraFields === 'keep' ? { maxRecordBytes: 262_144 } : {};
    const ofBatch = extraFields === 'keep' || invalid === 'skip' ? { maxBatchBytes: 2 ** 26 } : {};
    // It is nested one deeper than a flat record.
    const maxDepth = Math.max(options.maxDepth, 2);
    const head: Head = { form, codec, options: { ...options, ...ofRecord, ...ofBatch, maxDepth } };
    if (form === 'record') return join({ head, body: makeDatum(random) });
    const blocks = Array.from({ length: random.int(0, 3) }, () => makeBlock(random, codec));
    return join({ head, body: Buffer.concat(form === 'file' ? [header(FLAT, codec), ...blocks] : blocks) });
  },
  mutate: (input, random) => withHead((body) => mutateBytes(body, random))(input),
  *simpler(input) {
    const { head, body } = split<Head>(input);
    for (const simpler of withoutPieces(body)) yield join({ head, body: simpler });
  },
  check(input) {
    const { head, body } = split<Head>(input);
    const { form, codec, options } = head;
    const withHeader = (schema: object) => (form === 'blocks' ? Buffer.concat([header(schema, codec), body]) : body);
    keepsItsPromises(withHeader(FLAT), options);
    if (form === 'file') return;
    const actual = comparable(outcome(flat, withHeader(FLAT), options));
    const expected = comparable(outcome(notFlat, withHeader(NOT_FLAT), options));
    promise(actual === expected, () => `the fast reader: ${actual}\nthe reference:   ${expected}`);
  },
};

function keepsItsPromises(body: Buffer, options: DecodeOptions): void {
  try {
    holdsLimits(runToEnd(flat(Buffer.from(body), options)), options);
  } catch (error) {
    if (!(error instanceof MalformedBodyError || error instanceof PermanentError)) throw error;
  }
}

/** Without the field of no bytes, and without places, since the headers differ in length. */
function comparable(said: string): string {
  return said.replaceAll(/,\\?"nothing\\?":\{\}/g, '').replaceAll(/\bbyte \d+/g, 'byte');
}

function makeBlock(random: Random, codec: string): Buffer {
  const data = Array.from({ length: random.int(0, 3) }, () => makeDatum(random));
  const packed = PACKERS[codec]?.(random.chance(0.3) ? mutateBytes(Buffer.concat(data), random) : Buffer.concat(data));
  return block({ data: packed ?? Buffer.alloc(0), count: data.length });
}

function makeDatum(random: Random): Buffer {
  const sample = (arbitrary: fc.Arbitrary<string>) =>
    fc.sample(arbitrary, { numRuns: 1, seed: random.int(0, 2 ** 31 - 1) })[0] ?? '';
  const note = [[long(0)], [long(1), text(sample(flatText))], [long(2), long(random.int(-(2 ** 31), 2 ** 31))]];
  return Buffer.concat([
    text(sample(timestamp)),
    text(random.pick(['INFO', 'WARN', 'err', ' 3', 'loud'])),
    text(`<${sample(flatText)}>`),
    text(random.chance(0.9) ? 'api' : sample(flatText)),
    long(random.pick([0, -1, random.int(-(2 ** 31), 2 ** 31), 2 ** 53, 2n ** 63n - 1n, -(2n ** 63n)])),
    double(random.pick([0, -0, 0.1, 1e300, Number.NaN, Number.NEGATIVE_INFINITY])),
    ...random.pick(note),
    Buffer.of(random.pick([0, 1, 1, 2])),
    long(random.pick([0, 1, 1, 2])),
  ]);
}

function registryOf(schema: object): Schemas {
  const registered = { id: 1, type: 'AVRO', schema: JSON.stringify(schema), references: [] } as const;
  const version = { subject: 'events-avro', version: 1, schema: registered };
  return {
    byId: (id) => (id === 1 ? registered : undefined),
    newest: (subject) => (subject === version.subject ? version : undefined),
    version: (subject, number) => (subject === version.subject && number === 1 ? version : undefined),
  };
}
