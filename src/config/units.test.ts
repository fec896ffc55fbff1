import { describe, expect, test } from 'vitest';
import {
  formatDuration,
  formatRateLimit,
  formatSize,
  parseAddress,
  parseDuration,
  parseRateLimit,
  parseSize,
} from './units.ts';

describe('durations', () => {
  test.each([
    ['0ms', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['007s', 7_000],
  ])('reads %s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each([
    '',
    '5',
    's',
    '-1s',
    '1.5s',
    '1 s',
    '5S',
    '1d',
    '1m30s',
    '9999999999999999ms',
    '999999999999999h',
    '1constructor',
  ])('refuses %j', (text) => expect(parseDuration(text)).toBeUndefined());

  test.each([
    [0, '0s'],
    [1, '1ms'],
    [1_500, '1500ms'],
    [90_000, '90s'],
    [3_600_000, '1h'],
  ])('writes %d ms', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
    expect(parseDuration(text)).toBe(ms);
  });
});

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['512', 512],
    ['512B', 512],
    ['64KiB', 65_536],
    ['16MiB', 16_777_216],
    ['1GiB', 1_073_741_824],
  ])('reads %s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  test.each([
    '',
    'KiB',
    '64KB',
    '64K',
    '64kib',
    '1TiB',
    '-1',
    '1.5MiB',
    '9007199254740993',
    '999999999999999GiB',
  ])('refuses %j', (text) => expect(parseSize(text)).toBeUndefined());

  test.each([
    [0, '0B'],
    [1_023, '1023B'],
    [921_600, '900KiB'],
    [1_073_741_824, '1GiB'],
  ])('writes %d bytes', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
    expect(parseSize(text)).toBe(bytes);
  });
});

describe('addresses', () => {
  test.each([
    [':8082', { port: 8082 }],
    [':0', { port: 0 }],
    ['127.0.0.1:8082', { host: '127.0.0.1', port: 8082 }],
    ['[::1]:65535', { host: '::1', port: 65_535 }],
    ['[fe80::1%eth0]:80', { host: 'fe80::1%eth0', port: 80 }],
    ['log-host.example:80', { host: 'log-host.example', port: 80 }],
  ])('reads %s', (text, address) => expect(parseAddress(text)).toEqual(address));

  test.each([
    '',
    '8082',
    'localhost',
    'localhost:',
    ':65536',
    ':-1',
    '::1:80',
    '[::1]',
    '[1]:80',
    '[]:80',
    'a b:80',
    'http://a:80',
    ':8082 ',
  ])('refuses %j', (text) => expect(parseAddress(text)).toBeUndefined());
});

describe('rate limits', () => {
  test.each(['off', '1/s burst 1', '100/s burst 500'])('writes %s as it was read', (text) => {
    expect(formatRateLimit(parseRateLimit(text) ?? 'off')).toBe(text);
  });

  test.each([
    ['off', 'off'],
    ['1/s', { requestsPerSecond: 1, burst: 1 }],
    ['100/s burst 500', { requestsPerSecond: 100, burst: 500 }],
    ['100/s burst 1', { requestsPerSecond: 100, burst: 1 }],
  ])('reads %s', (text, limit) => expect(parseRateLimit(text)).toEqual(limit));

  test.each(['', 'on', '0/s', '1/s burst 0', '1/m', '100', '-1/s', '1/s burst', '1/s  burst 2'])('refuses %j', (text) =>
    expect(parseRateLimit(text)).toBeUndefined());
});
