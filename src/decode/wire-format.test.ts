import { expect, test } from 'vitest';
import { PREFIX_BYTES, readSchemaId } from './wire-format.ts';

const bytes = Buffer.from('ff00fedcba9808', 'hex');

test('a message of the wire format has its schema id in big endian after the magic byte', () => {
  expect(readSchemaId(bytes, 1, bytes.length)).toBe(0xfedcba98);
  expect(readSchemaId(bytes, 1, 1 + PREFIX_BYTES)).toBe(0xfedcba98);
});

test('a message that begins with another byte, or is shorter than the prefix, has no schema id', () => {
  expect(readSchemaId(bytes, 0, bytes.length)).toBeUndefined();
  expect(readSchemaId(bytes, 1, PREFIX_BYTES)).toBeUndefined();
  expect(readSchemaId(bytes, 1, 1)).toBeUndefined();
});
