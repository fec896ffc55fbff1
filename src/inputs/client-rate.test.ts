import { describe, expect, it } from 'vitest';
import { createClientRate } from './client-rate.ts';

describe('the rate limit of a client', () => {
  it('lets a burst pass, and then as many as the rate', () => {
    let now = 0;
    const { take } = createClientRate({ requestsPerSecond: 10, burst: 3 }, { now: () => now });
    expect([take('a', 1), take('a', 1), take('a', 1)]).toEqual([0, 0, 0]);
    expect(take('a', 1)).toBeCloseTo(100);
    now = 100;
    expect(take('a', 1)).toBe(0);
    expect(take('a', 1)).toBeCloseTo(100);
    now = 10_000;
    expect([1, 2, 3].map(() => take('a', 1))).toEqual([0, 0, 0]);
    expect(take('a', 1)).toBeGreaterThan(0);
  });

  it('says how long a client that cannot be dropped must wait', () => {
    let now = 0;
    const { charge } = createClientRate({ requestsPerSecond: 10, burst: 5 }, { now: () => now });
    expect(charge('a', 4)).toBe(0);
    expect(charge('a', 3)).toBeCloseTo(300);
    now = 300;
    expect(charge('a', 0)).toBeCloseTo(0);
  });

  it.each([
    1, 100,
  ])('holds in the long run when a piece is many times the burst, over %i connections', (connections) => {
    let now = 0;
    const { charge } = createClientRate({ requestsPerSecond: 10, burst: 10 }, { now: () => now });
    let passed = 0;
    while (now < 100 * 3_600_000) {
      for (let i = 0; i < connections; i++) {
        charge('a', 2_600);
        passed += 2_600;
      }
      for (let wait = charge('a', 0); wait > 0; wait = charge('a', 0)) {
        expect(wait).toBeLessThanOrEqual(10_000);
        now += wait;
      }
    }
    expect(passed / (now / 1_000)).toBeCloseTo(10, 1);
  });

  it('counts each client by itself', () => {
    const { take } = createClientRate({ requestsPerSecond: 1, burst: 1 }, { now: () => 0 });
    expect(take('a', 1)).toBe(0);
    expect(take('a', 1)).toBeGreaterThan(0);
    expect(take('b', 1)).toBe(0);
  });

  it('lets more frames than a burst pass from a full bucket, and then waits for all of them', () => {
    let now = 0;
    const { take } = createClientRate({ requestsPerSecond: 10, burst: 2 }, { now: () => now });
    expect(take('a', 20)).toBe(0);
    now = 1_000;
    expect(take('a', 1)).toBeGreaterThan(0);
    now = 2_000;
    expect(take('a', 1)).toBe(0);
  });

  it('remembers no more clients than it may', () => {
    const { take } = createClientRate({ requestsPerSecond: 1, burst: 1 }, { maxClients: 2, now: () => 0 });
    expect([take('a', 1), take('b', 1), take('c', 1)]).toEqual([0, 0, 0]);
    expect(take('c', 1)).toBeGreaterThan(0);
    expect(take('a', 1)).toBe(0);
  });
});
