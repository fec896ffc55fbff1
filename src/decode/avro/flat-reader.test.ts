import { expect, test } from 'vitest';
import { container, datum, EVENT, LOG_ENTRY, long, text } from '../../../test/support/avro-bodies.ts';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import { EVENTS_STREAM } from '../../model/stream.ts';
import { createDecoders } from '../decoders.ts';
import { runToEnd } from '../pace.ts';

const { avro } = createDecoders(EVENTS_STREAM);
const DATUM = datum(EVENT);

/** The extra fields of the records of a file whose records end in a field of this type. */
function extrasOf(type: unknown, values: readonly Buffer[]): string[] {
  const schema = { ...LOG_ENTRY, fields: [...LOG_ENTRY.fields, { name: 'x', type }] };
  const body = container(schema, [values.map((value) => Buffer.concat([DATUM, value]))]);
  const lines = runToEnd(avro(body, DECODE_OPTIONS)).batch.map((chunk) => chunk.lines.toString());
  return lines
    .join('')
    .trimEnd()
    .split('\n')
    .map((line) => line.slice(JSON.stringify(EVENT).length - 1, -1));
}

test('a field that is null is left out, whatever the record before had in it', () => {
  const values = [Buffer.concat([long(1), text('a')]), long(0), Buffer.concat([long(2), long(-7)])];
  expect(extrasOf(['null', 'string', 'int'], values)).toEqual([',"x":"a"', '', ',"x":-7']);
});

test('numbers, booleans and symbols are written as JSON has them', () => {
  const wide = [0, -1, 2 ** 31, -(2 ** 53) + 1, 2n ** 63n - 1n];
  expect(extrasOf('long', wide.map(long))).toEqual(wide.map((value) => `,"x":${value}`));
  expect(extrasOf('boolean', [Buffer.of(1), Buffer.of(0)])).toEqual([',"x":true', ',"x":false']);
  expect(extrasOf({ type: 'enum', name: 'E', symbols: ['A', 'B'] }, [long(1)])).toEqual([',"x":"B"']);
});

test.each([
  ['an int of 33 bits', 'int', long(2 ** 31), 'expected an int of 32 bits'],
  ['the least int and one less', 'int', long(-(2 ** 31) - 1), 'expected an int of 32 bits'],
  ['a boolean of 2', 'boolean', Buffer.of(2), 'expected a boolean, 0 or 1'],
  ['a negative length', 'string', Buffer.from('0341', 'hex'), 'expected the length of a string'],
  [
    'a symbol that there is not',
    { type: 'enum', name: 'E', symbols: ['A'] },
    long(1),
    'expected the number of a symbol',
  ],
  ['a branch that there is not', ['null', 'int'], long(2), 'expected the number of a branch'],
])('what does not fit its type is a fault: %s', (_, type, value, expected) => {
  expect(() => extrasOf(type, [value])).toThrow(expected);
});
