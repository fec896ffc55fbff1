import { describe, expect, test } from 'vitest';
import { createHostCheck, isHost } from './host.ts';

describe('isHost', () => {
  test.each(['a', 'a.b:80', 'a:', '127.0.0.1:8082', '[::1]', '[::1]:8082', 'my_host'])('accepts %j', (host) => {
    expect(isHost(host)).toBe(true);
  });

  test.each(['', 'a b', 'a,b', 'a/b', 'u@h', 'a:x', 'a:80:80', '::1', '[::1', 'a:123456'])('refuses %j', (host) => {
    expect(isHost(host)).toBe(false);
  });
});

describe('createHostCheck', () => {
  const local = createHostCheck({ host: '127.0.0.1' });

  test.each([
    'localhost',
    'LOCALHOST:8082',
    'localhost.',
    'localhost.:1',
    '127.0.0.1:8082',
    '[::1]:8082',
    undefined,
  ])('serves %j on a loopback address', (host) => {
    expect(local('/', host)).toBeUndefined();
  });

  test.each([
    'evil.example',
    'evil.example:8082',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.1',
  ])('refuses %j on a loopback address', (host) => {
    expect(local('/api/overview', host)).toMatchObject({ kind: 'misdirected-request' });
  });

  test('serves probes, and batches, by any name', () => {
    for (const path of ['/health', '/ready', '/metrics']) expect(local(path, 'evil.example')).toBeUndefined();
  });

  test('serves every name on another address, and listed names alone where there is a list', () => {
    expect(createHostCheck({ host: '0.0.0.0' })('/', 'logs.example')).toBeUndefined();
    expect(createHostCheck({})('/', 'logs.example')).toBeUndefined();
    const listed = createHostCheck({ hosts: ['Logs.Example.', '[FE80::1]'], host: '127.0.0.1' });
    expect(listed('/', 'logs.example:80')).toBeUndefined();
    expect(listed('/', '[fe80::1]:80')).toBeUndefined();
    expect(listed('/', 'localhost')?.detail).toBe('host localhost is not served here; add it to server.hosts');
  });
});
