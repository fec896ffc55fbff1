import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapeBytes } from './escape-bytes.ts';

const MIB = 1024 * 1024;

/** The same, by asking the runtime for each character. */
function escapeSimply(bytes: Buffer): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((n) => at + n <= bytes.length && isUtf8(bytes.subarray(at, at + n)));
    parts.push(
      length === undefined ? `\\x${bytes.toString('hex', at, at + 1)}` : bytes.toString('utf8', at, at + length),
    );
    at += length ?? 1;
  }
  return parts.join('');
}

test('bytes that are not UTF-8 stand as \\xhh', () => {
  expect(escapeBytes(Buffer.from([0x61, 0xe9, 0x62]))).toBe('a\\xe9b');
  expect(escapeBytes(Buffer.from([0xc3, 0xa9, 0xc3]))).toBe('é\\xc3');
  expect(escapeBytes(Buffer.from([0xf0, 0x9f, 0x98, 0x80, 0x80]))).toBe('😀\\x80');
  expect(escapeBytes(Buffer.from([0xef, 0xbb, 0xbf, 0xff]))).toBe('\ufeff\\xff');
});

test('agrees with the runtime on the first and last byte sequences of each length', () => {
  const edges = [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1];
  const more = [0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff];
  const byte = fc.constantFrom(...edges, ...more);
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 12 }), (array) => {
      const bytes = Buffer.from(array);
      expect(escapeBytes(bytes)).toBe(escapeSimply(bytes));
    }),
    { numRuns: 10_000 },
  );
});

test.each([
  ['continuation bytes', [0x80]],
  ['leads without the rest', [0xf0]],
  ['characters that lack a byte', [0xf0, 0x9f, 0x98]],
  ['characters, and a byte that is none', [0xc3, 0xa9, 0xff]],
  ['surrogates', [0xed, 0xa0, 0x80]],
  ['numbers that have a shorter form', [0xe0, 0x80, 0x80]],
])('a MiB of %s', (_, pattern) => {
  const one = Buffer.from(pattern);
  const times = Math.floor(MIB / one.length);
  const before = process.threadCpuUsage().user;
  const text = escapeBytes(Buffer.alloc(one.length * times, one));
  // Microseconds. It takes 20 ms; a reader that looks back over what it has read takes minutes.
  expect(process.threadCpuUsage().user - before).toBeLessThan(1_000_000);
  expect(text === escapeSimply(one).repeat(times)).toBe(true);
});
