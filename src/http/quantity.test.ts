import { expect, test } from 'vitest';
import { formatBytes, formatMs } from './quantity.ts';

test.each([
  [0, '0 bytes'],
  [1_000, '1000 bytes'],
  [1_024, '1 KiB'],
  [1_536, '1536 bytes'],
  [256 * 1_024 ** 2, '256 MiB'],
  [64 * 1_024 ** 3, '64 GiB'],
  [1_024 ** 4, '1024 GiB'],
])('%d bytes are written as %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test.each([
  [0, '0 ms'],
  [250, '250 ms'],
  [5_000, '5 s'],
  [1_500, '1500 ms'],
  [90_000, '90 s'],
  [120_000, '2 min'],
  [3_600_000, '1 h'],
])('%d milliseconds are written as %s', (ms, text) => expect(formatMs(ms)).toBe(text));
