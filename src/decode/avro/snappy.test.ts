import { crc32 } from 'node:zlib';
import { snappyCompress } from '@platformatic/wasm-utils';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../test/support/random.ts';
import { CODECS } from './codecs.ts';
import { snappyLength, unpackSnappy } from './snappy.ts';

function unpack(packed: Buffer): Buffer | undefined {
  const head = snappyLength(packed);
  return head === undefined ? undefined : unpackSnappy(packed, head.length, head.start);
}

describe('a block of snappy', () => {
  test('is unpacked as another implementation packed it: short and long, varied and repeating', () => {
    const random = createRandom(20_251_127);
    for (let i = 0; i < 300; i++) {
      const alphabet = random.pick([1, 2, 20, 256]);
      const bytes = Buffer.from(
        Array.from({ length: random.pick([0, 1, 59, 61, 300, 70_000]) }, () => random.int(0, alphabet - 1)),
      );
      const text = Buffer.concat(Array.from({ length: random.int(1, 3) }, () => bytes));
      expect(unpack(snappyCompress(text))?.equals(text)).toBe(true);
    }
  });

  test('is unpacked with each kind of copy', () => {
    // "abcd", then copies of 4 bytes from 4 back: with one, two and four bytes of distance.
    expect(unpack(Buffer.from(`0c0c${'61626364'}0104${'0e0400'}`, 'hex'))?.toString()).toBe('abcdabcdabcd');
    expect(unpack(Buffer.from(`080c${'61626364'}0f04000000`, 'hex'))?.toString()).toBe('abcdabcd');
    // From one back, more than there is yet.
    expect(unpack(Buffer.from('05006101' + '01', 'hex'))?.toString()).toBe('aaaaa');
  });

  test.each([
    ['nothing', ''],
    ['a length without an end', 'ffffffffff01'],
    ['a literal beyond the block', '040c6161'],
    ['a literal beyond the text', '01046161'],
    ['a long literal without its length', '04f4ff'],
    ['a copy from before the text', '0500610102'],
    ['a copy from nowhere', '0500610100'],
    ['a copy beyond the text', '0400610101'],
    ['a copy without its distance', '05006102'],
    ['less than the length says', '05000061'],
  ])('is refused: %s', (_, hex) => {
    expect(unpack(Buffer.from(hex, 'hex'))).toBeUndefined();
  });

  test('is refused in an Avro file where its checksum is wrong', () => {
    const text = Buffer.from('some text');
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32(text));
    const codec = CODECS.get('snappy');
    expect(codec?.(Buffer.concat([snappyCompress(text), checksum]), () => undefined)).toEqual(text);
    checksum[0] = (checksum[0] ?? 0) ^ 1;
    const damaged = Buffer.concat([snappyCompress(text), checksum]);
    expect(() => codec?.(damaged, () => undefined)).toThrow('its checksum is wrong');
  });
});
