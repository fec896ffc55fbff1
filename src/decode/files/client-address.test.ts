import { describe, expect, it } from 'vitest';
import { withoutPort } from './client-address.ts';

describe('the address of a client', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1:2817', '192.0.2.1'],
    ['[192.0.2.1]', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:2817', '2001:db8::1'],
    ['[fe80::1%eth0]:2817', 'fe80::1%eth0'],
    ['[203.0.113.9, 192.0.2.1]', '203.0.113.9, 192.0.2.1'],
    ['-', '-'],
    ['', ''],
    ['[]', '[]'],
    ['[ ]', '[ ]'],
    ['["a"]', '["a"]'],
    ['192.0.2.1:', '192.0.2.1:'],
    ['192.0.2.1:123456', '192.0.2.1:123456'],
  ])('%s has no port: %s', (text, expected) => {
    expect([withoutPort(text), withoutPort(text, 'always')]).toEqual([expected, expected]);
  });

  it.each([
    ['2001:db8::1:4711', '2001:db8::1'],
    ['::ffff:192.0.2.1:4711', '::ffff:192.0.2.1'],
    ['2001:db8:::4711', '2001:db8::'],
    ['client.example.net:4711', 'client.example.net'],
    ['unix:1', 'unix'],
  ])('%s has a port only in a format that always writes one', (text, expected) => {
    expect([withoutPort(text), withoutPort(text, 'always')]).toEqual([text, expected]);
  });
});
