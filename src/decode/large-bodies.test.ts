import { expect, test } from 'vitest';
import { container, datum, EVENT, LOG_ENTRY } from '../../test/support/avro-bodies.ts';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { createOneSubject } from '../../test/support/one-subject.ts';
import { delimited, logEntry } from '../../test/support/protobuf-messages.ts';
import { BUILTIN_SCHEMAS } from '../model/builtin-schemas.ts';
import type { Schemas } from '../model/schema.ts';
import { EVENTS_STREAM } from '../model/stream.ts';
import { createDecoders } from './decoders.ts';
import { runToEnd } from './pace.ts';

/* A body whose lines fill several buffers: each of its records is stored, in its place. */

const RECORDS = Array.from({ length: 60_000 }, (_, i) => ({ ...EVENT, message: `${i} ${'x'.repeat(100)}` }));
const LINES = RECORDS.map((record) => `${JSON.stringify(record)}\n`).join('');
const reversed = RECORDS.map((record) => JSON.stringify(Object.fromEntries(Object.entries(record).reverse())));

const BODIES = {
  json: Buffer.from(`[${reversed.join(', ')}]`),
  ndjson: Buffer.from(reversed.join('\n')),
  csv: Buffer.from(`${Object.keys(EVENT).join()}\n${RECORDS.map((each) => Object.values(each).join()).join('\n')}`),
  'protobuf-delimited': delimited(RECORDS.map(logEntry)),
  avro: container(LOG_ENTRY, [RECORDS.map(datum)]),
} as const;

const rule = { properties: { message: { maxLength: 1_000 } } };
const { newest } = createOneSubject('events', rule).schemas;
const checked: Schemas = {
  ...BUILTIN_SCHEMAS,
  newest: (subject) => newest(subject) ?? BUILTIN_SCHEMAS.newest(subject),
};

test.each(
  (['json', 'ndjson', 'csv', 'protobuf-delimited', 'avro'] as const).flatMap((format) => [
    [format, 'without a schema', BUILTIN_SCHEMAS] as const,
    [format, 'with a schema', checked] as const,
  ]),
)('all records of a large body are stored (%s, %s)', (format, _, schemas) => {
  const decode = createDecoders(EVENTS_STREAM, schemas)[format];
  const { batch, accepted } = runToEnd(decode(Buffer.from(BODIES[format]), DECODE_OPTIONS));
  expect([accepted, batch.map(({ count }) => count)]).toEqual([RECORDS.length, [RECORDS.length]]);
  expect(batch[0]?.lines.equals(Buffer.from(LINES))).toBe(true);
});
