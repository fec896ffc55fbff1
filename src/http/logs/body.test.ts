import { describe, expect, test } from 'vitest';
import { BodyCollector, type BodyFailure } from './body.ts';
import { createBodyBuffers } from './body-buffers.ts';
import { createInFlight } from './in-flight.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

function createFixture({ declared, maxInFlight = 256 * MIB }: { declared: number | undefined; maxInFlight?: number }) {
  const taken: number[] = [];
  const given: Buffer[] = [];
  const buffers = createBodyBuffers();
  const outcomes: (Buffer | BodyFailure)[] = [];
  const counts = { inFlight: 0 };
  const onChange = (total: number) => {
    counts.inFlight = total;
  };
  const inFlight = createInFlight({ maxBytes: maxInFlight, onChange });
  const reservation = inFlight.reserve(0);
  if (reservation === undefined) throw new Error('nothing fits always');
  const collector = new BodyCollector({
    declared,
    maxBytes: 16 * MIB,
    reservation,
    buffers: {
      take: (bytes) => {
        taken.push(bytes);
        return buffers.take(bytes);
      },
      give: (buffer) => {
        given.push(buffer);
        buffers.give(buffer);
      },
      adopt: buffers.adopt,
    },
    owner: { collected: (outcome) => void outcomes.push(outcome) },
  });
  return { collector, outcomes, taken, given, counts };
}

/** The body, as a caller writes it into the space of the collector, at most `step` bytes at a time. */
function writeInto(collector: BodyCollector, body: Buffer, step: number): void {
  for (let at = 0; at < body.length; ) {
    const space = collector.space();
    const bytes = Math.min(step, space.length, body.length - at);
    body.copy(space, 0, at, at + bytes);
    collector.wrote(bytes);
    at += bytes;
  }
}

function bytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255));
}

describe('BodyCollector', () => {
  test('reserves the bytes that arrive, not those that are declared', () => {
    const { collector, counts, taken } = createFixture({ declared: 16 * MIB });
    expect(counts.inFlight).toBe(0);
    expect(taken).toEqual([]);
    collector.data(Buffer.alloc(100));
    expect(counts.inFlight).toBe(100);
    expect(collector.arrived).toBe(100);
    expect(taken).toEqual([256 * KIB]);
    collector.space(50);
    collector.wrote(50);
    expect(counts.inFlight).toBe(150);
  });

  test.each([1_000, 64 * KIB, 300 * KIB])('takes more memory as a body grows, %i bytes a piece', (step) => {
    const body = bytes(3 * MIB + 17);
    const { collector, outcomes, taken, given } = createFixture({ declared: body.length });
    writeInto(collector, body, step);
    collector.end();
    expect(outcomes).toHaveLength(1);
    expect(body.equals(outcomes[0] as Buffer)).toBe(true);
    expect(taken).toEqual([256 * KIB, MIB, body.length]);
    expect(given).toHaveLength(2);
  });

  test('takes the memory of a body of 256 KiB once, and copies nothing', () => {
    const body = bytes(256 * KIB);
    const { collector, outcomes, taken } = createFixture({ declared: body.length });
    writeInto(collector, body, 64 * KIB);
    collector.end();
    expect(body.equals(outcomes[0] as Buffer)).toBe(true);
    expect(taken).toEqual([body.length]);
  });

  test('never offers space beyond the declared length', () => {
    const { collector } = createFixture({ declared: 300 * KIB });
    collector.data(Buffer.alloc(299 * KIB));
    expect(collector.space()).toHaveLength(KIB);
  });

  test.each([7, 1_000_003])('collects a body of declared length in pieces of %i bytes', (step) => {
    const body = bytes(step === 7 ? 100_000 : 2 * MIB);
    const { collector, outcomes } = createFixture({ declared: body.length });
    for (let at = 0; at < body.length; at += step) collector.data(body.subarray(at, at + step));
    collector.end();
    expect(body.equals(outcomes[0] as Buffer)).toBe(true);
  });

  test('fails once, as overloaded, when its bytes have no room', () => {
    const { collector, outcomes, counts } = createFixture({ declared: 1_000, maxInFlight: 500 });
    collector.data(Buffer.alloc(400));
    collector.data(Buffer.alloc(400));
    collector.space(200);
    collector.wrote(200);
    collector.end();
    expect(outcomes).toEqual(['overloaded']);
    expect(counts.inFlight).toBe(400);
  });

  test('says that it was evicted', () => {
    const { collector, outcomes } = createFixture({ declared: 1_000 });
    collector.data(Buffer.alloc(400));
    collector.evict();
    collector.expire();
    expect(outcomes).toEqual(['evicted']);
  });
});
