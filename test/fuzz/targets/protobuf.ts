import fc from 'fast-check';
import type { DecodeOptions } from '../../../src/decode/decode.ts';
import { createDecoders } from '../../../src/decode/decoders.ts';
import { createSchemaCompiler } from '../../../src/decode/protobuf/message-types.ts';
import { EVENTS_STREAM } from '../../../src/model/stream.ts';
import { decodeOptions } from '../../support/decode-arbitraries.ts';
import {
  delimited,
  FLAT_SCHEMA,
  flatMessage,
  schemasOf,
  WIDE_SCHEMA,
  wideMessage,
  withSchemaId,
} from '../../support/protobuf-messages.ts';
import type { Random } from '../../support/random.ts';
import { createReferenceDelimited } from '../../support/reference-protobuf.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';
import { join, split, withHead } from '../headed.ts';
import { mutateBytes, withoutPieces } from '../mutate.ts';
import { outcome } from './decode.ts';

/*
 * Messages of Protocol Buffers: the fast path and the reference say the same of a message without a schema id, and no bytes make the
 * decoders throw anything but a refusal. The text of a schema: it is compiled or has a fault, whatever it is.
 */

interface Head {
  readonly kind: 'flat' | 'wide';
  readonly options: DecodeOptions;
}

const SCHEMAS = {
  flat: schemasOf({ 'events-protobuf': FLAT_SCHEMA, other: WIDE_SCHEMA }),
  wide: schemasOf({ 'events-protobuf': WIDE_SCHEMA, other: FLAT_SCHEMA }),
};
const MESSAGES = { flat: flatMessage, wide: wideMessage };
const DECODERS = {
  flat: createDecoders(EVENTS_STREAM, SCHEMAS.flat),
  wide: createDecoders(EVENTS_STREAM, SCHEMAS.wide),
};
const REFERENCES = {
  flat: createReferenceDelimited(EVENTS_STREAM, SCHEMAS.flat),
  wide: createReferenceDelimited(EVENTS_STREAM, SCHEMAS.wide),
};

export const protobufTarget: FuzzTarget = {
  name: 'protobuf',
  runsPerSecond: 500,
  make(random: Random) {
    const kind = random.pick(['flat', 'wide'] as const);
    const [made] = fc.sample(fc.tuple(MESSAGES[kind], decodeOptions), { numRuns: 1, seed: random.int(0, 2 ** 31 - 1) });
    const [message = Buffer.alloc(0), options] = made ?? [];
    const body = random.chance(0.2) ? withSchemaId(random.int(0, 3), message, random.pick([[], [0], [1, 0]])) : message;
    return join({ head: { kind, options }, body });
  },
  mutate: (input, random) => withHead((body) => mutateBytes(body, random))(input),
  *simpler(input) {
    const { head, body } = split<Head>(input);
    for (const simpler of withoutPieces(body)) yield join({ head, body: simpler });
  },
  check(input) {
    const { head, body } = split<Head>(input);
    const { protobuf, 'protobuf-delimited': many } = DECODERS[head.kind];
    // Another error than a refusal is a fault: `outcome` throws it.
    outcome(protobuf, body, head.options);
    outcome(many, body, head.options);
    if (body.length === 0 || body[0] === 0) return;
    const framed = delimited([body, body]);
    const actual = outcome(many, framed, head.options);
    const expected = outcome(REFERENCES[head.kind], framed, head.options);
    promise(actual === expected, () => `the reader:    ${actual}\nthe reference: ${expected}`);
  },
};

export const protobufSchemaTarget: FuzzTarget = {
  name: 'protobuf-schema',
  runsPerSecond: 300,
  make: (random) => Buffer.from(random.pick([FLAT_SCHEMA, WIDE_SCHEMA])),
  check(input) {
    const schema = { id: 1, type: 'PROTOBUF', schema: input.toString('utf8'), references: [] } as const;
    const result = createSchemaCompiler(schemasOf({}))(schema);
    promise(typeof result !== 'string' || result.length < 500, () => `a long fault: ${result}`);
  },
};
