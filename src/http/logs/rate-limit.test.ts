import { describe, expect, test } from 'vitest';
import { bucketBytes, createRateLimit } from './rate-limit.ts';

const MS = 1_000_000n;

function createFixture(options: { requestsPerSecond: number; burst: number; maxClients?: number }) {
  const time = { now: 1_000_000n * MS };
  const buckets = new SharedArrayBuffer(bucketBytes(options.maxClients));
  const create = () => createRateLimit({ ...options, buckets, now: () => time.now });
  return { time, create, take: create() };
}

describe('createRateLimit', () => {
  test('lets a burst pass, then says how long to wait', () => {
    const { take } = createFixture({ requestsPerSecond: 2, burst: 3 });
    expect([take('a'), take('a'), take('a'), take('a')]).toEqual([0, 0, 0, 0.5]);
  });

  test('lets requests pass again as time passes, up to a burst', () => {
    const { take, time } = createFixture({ requestsPerSecond: 2, burst: 2 });
    expect([take('a'), take('a'), take('a')]).toEqual([0, 0, 0.5]);
    time.now += 250n * MS;
    expect(take('a')).toBe(0.25);
    time.now += 250n * MS;
    expect([take('a'), take('a')]).toEqual([0, 0.5]);
    time.now += 3_600_000n * MS;
    expect([take('a'), take('a'), take('a')]).toEqual([0, 0, 0.5]);
  });

  test('counts each client by itself', () => {
    const { take } = createFixture({ requestsPerSecond: 1, burst: 1 });
    expect([take('a'), take('b'), take('a'), take('b')]).toEqual([0, 0, 1, 1]);
  });

  test('remembers a limited number of clients, and forgets the one that was silent longest', () => {
    const { take, time } = createFixture({ requestsPerSecond: 1, burst: 1, maxClients: 2 });
    expect(take('b')).toBe(0);
    time.now += MS;
    expect([take('a'), take('a')]).toEqual([0, 1]);
    time.now += MS;
    expect(take('c')).toBe(0);
    expect([take('a'), take('c')]).toEqual([0.999, 1]);
    expect(take('b')).toBe(0);
  });

  test('tells many clients apart', () => {
    const { take } = createFixture({ requestsPerSecond: 1, burst: 1 });
    const clients = Array.from({ length: 4_096 }, (_, i) => `client ${i}`);
    expect(clients.filter((client) => take(client) > 0)).toEqual([]);
    expect(clients.filter((client) => take(client) === 0)).toEqual([]);
  });

  test('counts the requests of several threads together when they share the memory', () => {
    const { create } = createFixture({ requestsPerSecond: 10, burst: 4 });
    const [one, two] = [create(), create()];
    expect([one('a'), two('a'), two('a'), one('a'), two('a'), one('a')]).toEqual([0, 0, 0, 0, 0.1, 0.1]);
  });

  test('uses its own clock when it is given none', () => {
    const take = createRateLimit({ requestsPerSecond: 0.001, burst: 1 });
    expect(take('a')).toBe(0);
    expect(take('a')).toBeGreaterThan(990);
  });
});
