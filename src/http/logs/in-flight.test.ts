import { describe, expect, test } from 'vitest';
import { createInFlight, type Evict } from './in-flight.ts';
import { createSharedLimits, forgetThread } from './shared-limits.ts';

function createFixture(maxBytes: number) {
  const totals: number[] = [];
  return { totals, inFlight: createInFlight({ maxBytes, onChange: (total) => void totals.push(total) }) };
}

describe('createInFlight', () => {
  test('reserves up to its limit and no more', () => {
    const { inFlight, totals } = createFixture(100);
    const first = inFlight.reserve(60);
    expect(inFlight.reserve(41)).toBeUndefined();
    const second = inFlight.reserve(40);
    expect(second?.grow(1)).toBe(false);
    first?.release();
    expect(second?.grow(60)).toBe(true);
    expect(totals).toEqual([60, 100, 40, 100]);
  });

  test('gives back a part', () => {
    const { inFlight, totals } = createFixture(100);
    const reservation = inFlight.reserve(80);
    reservation?.shrinkTo(90);
    reservation?.shrinkTo(30);
    reservation?.release();
    expect(totals).toEqual([80, 30, 0]);
  });

  test('releases once, whatever is called later', () => {
    const { inFlight, totals } = createFixture(100);
    const reservation = inFlight.reserve(80);
    reservation?.release();
    reservation?.release();
    reservation?.shrinkTo(1);
    expect(reservation?.grow(1)).toBe(false);
    expect(totals).toEqual([80, 0]);
  });
});

describe('createInFlight that evicts', () => {
  /** Reservations that `evict` releases in their order, one after the other. */
  function createEvicting(maxBytes: number) {
    const queue: { release(): void }[] = [];
    const inFlight = createInFlight({
      maxBytes,
      onChange: () => undefined,
      evict: (isEnough) => {
        while (!isEnough() && queue.length > 0) queue.shift()?.release();
      },
    });
    const hold = (bytes: number) => {
      const reservation = inFlight.reserve(bytes);
      if (reservation === undefined) throw new Error('no room');
      queue.push(reservation);
      return reservation;
    };
    return { inFlight, queue, hold };
  }

  test('makes room for the bytes that are wanted, and a sixteenth more', () => {
    const { inFlight, queue, hold } = createEvicting(160);
    for (let i = 0; i < 16; i++) hold(10);
    expect(inFlight.reserve(5)).toBeDefined();
    expect(queue).toHaveLength(14);
    expect(inFlight.reserve(15)).toBeDefined();
    expect(queue).toHaveLength(14);
  });

  test('refuses when that is not enough', () => {
    const { inFlight, hold } = createEvicting(100);
    inFlight.reserve(50);
    const evicted = hold(50);
    expect(inFlight.reserve(60)).toBeUndefined();
    expect(evicted.grow(1)).toBe(false);
    expect(inFlight.hasRoom(50)).toBe(true);
  });

  test('a reservation that is evicted to make room for itself does not grow, and counts nothing', () => {
    const { inFlight, hold } = createEvicting(100);
    const reservation = hold(90);
    expect(reservation.grow(20)).toBe(false);
    expect(inFlight.hasRoom(100)).toBe(true);
  });

  test('asks for room before it reserves', () => {
    const { inFlight, queue, hold } = createEvicting(100);
    hold(100);
    expect(inFlight.hasRoom(30)).toBe(true);
    expect(queue).toEqual([]);
    expect(inFlight.hasRoom(101)).toBe(false);
  });

  test('relieves when less than an eighth is left', () => {
    const { inFlight, queue, hold } = createEvicting(160);
    for (let i = 0; i < 14; i++) hold(10);
    inFlight.relieve();
    expect(queue).toHaveLength(14);
    hold(1);
    inFlight.relieve();
    expect(queue.length).toBeLessThan(15);
    expect(inFlight.hasRoom(30)).toBe(true);
  });
});

describe('createInFlight with other threads', () => {
  function createThreads(maxBytes: number) {
    const shared = createSharedLimits(2);
    const totals: number[][] = [[], []];
    const threads = [0, 1].map((thread) =>
      createInFlight({ maxBytes, onChange: (total) => totals[thread]?.push(total), shared: { ...shared, thread } }),
    );
    const [one, two] = threads;
    if (one === undefined || two === undefined) throw new Error('two were made');
    return { one, two, shared, totals };
  }

  test('reserves up to one limit for all threads, and reports to each thread its own total', () => {
    const { one, two, totals } = createThreads(100);
    const first = one.reserve(60);
    expect(two.reserve(41)).toBeUndefined();
    const second = two.reserve(40);
    expect(one.reserve(1)).toBeUndefined();
    expect(second?.grow(1)).toBe(false);
    first?.shrinkTo(10);
    expect(second?.grow(50)).toBe(true);
    first?.release();
    second?.release();
    expect(two.reserve(100)).toBeDefined();
    expect(totals).toEqual([
      [60, 10, 0],
      [40, 90, 0, 100],
    ]);
  });

  test('evicts slow bodies of one thread for another that found no room', () => {
    const shared = createSharedLimits(2);
    const slow: { release(): void }[] = [];
    const create = (thread: number, evict: Evict) =>
      createInFlight({ maxBytes: 100, onChange: () => undefined, shared: { ...shared, thread }, evict });
    const one = create(0, (isEnough) => {
      if (!isEnough()) slow.shift()?.release();
    });
    const two = create(1, () => undefined);
    const reservation = one.reserve(60);
    if (reservation !== undefined) slow.push(reservation);
    one.relieve();
    expect(slow).toHaveLength(1);
    expect(two.hasRoom(50)).toBe(false);
    one.relieve();
    expect(slow).toEqual([]);
    expect(two.hasRoom(50)).toBe(true);
  });

  test('frees the bytes of a thread that died', () => {
    const { one, two, shared } = createThreads(100);
    one.reserve(100);
    expect(two.reserve(1)).toBeUndefined();
    forgetThread(shared, 0);
    expect(two.reserve(100)).toBeDefined();
  });
});
