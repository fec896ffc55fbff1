import { describe, expect, it } from 'vitest';
import type { Delivery } from '../queue.ts';
import type { RecordReceiver } from './driver.ts';
import { createReceiver } from './receiver.ts';

const signal = new AbortController().signal;

function setUp({ bytes = 1_000_000, intervalMs = 500, failures = 0 } = {}) {
  const deliveries: Delivery[] = [];
  let left = failures;
  let time = 0;
  const receiver = createReceiver({
    stream: 'access',
    topic: 'logs',
    partition: 3,
    assignment: {
      offset: 10n,
      receive: async (delivery) => {
        if (left-- > 0) throw new Error('the partition is lost');
        deliveries.push(delivery);
      },
    },
    flush: { bytes, intervalMs },
    now: () => time,
  });
  const pass = (ms: number) => {
    time += ms;
  };
  const offsets = () => deliveries.map(({ items, next }) => [items.map(({ offset }) => Number(offset)), Number(next)]);
  return { receiver, deliveries, offsets, pass };
}

/** One record of `bytes` bytes. */
function fetch(receiver: RecordReceiver, offset: number, { bytes = 10, hasMore = true } = {}) {
  const value = Buffer.alloc(bytes, 'x');
  const records = [{ offset: BigInt(offset), timestamp: 0, headers: {}, value }];
  return receiver.receive({ records, next: BigInt(offset + 1), hasMore }, signal);
}

describe('a receiver', () => {
  it('stores at once when the partition has nothing more to read', async () => {
    const { receiver, deliveries } = setUp();
    expect(await fetch(receiver, 10, { hasMore: false })).toBe(11n);
    expect(deliveries).toMatchObject([{ topic: 'logs', partition: 3, next: 11n }]);
  });

  it('collects what several fetches bring, and stores it in one delivery at the end of the partition', async () => {
    const { receiver, offsets } = setUp();
    expect(await fetch(receiver, 10)).toBeUndefined();
    expect(await fetch(receiver, 11)).toBeUndefined();
    expect(offsets()).toEqual([]);
    expect(await fetch(receiver, 12, { hasMore: false })).toBe(13n);
    expect(offsets()).toEqual([[[10, 11, 12], 13]]);
  });

  it('stores when so many bytes are collected, and counts from nothing again', async () => {
    const { receiver, offsets } = setUp({ bytes: 100 });
    for (let offset = 10; offset < 15; offset++) await fetch(receiver, offset, { bytes: 40 });
    expect(offsets()).toEqual([[[10, 11, 12], 13]]);
  });

  it('stores when the first collected message has waited for so long', async () => {
    const { receiver, offsets, pass } = setUp({ intervalMs: 500 });
    await fetch(receiver, 10);
    pass(499);
    await fetch(receiver, 11);
    pass(1);
    await fetch(receiver, 12);
    pass(400);
    await fetch(receiver, 13);
    expect(offsets()).toEqual([[[10, 11, 12], 13]]);
  });

  it('stores what waits when it is told to, and nothing when nothing waits', async () => {
    const { receiver, offsets } = setUp();
    expect(await receiver.flush(signal)).toBeUndefined();
    await fetch(receiver, 10);
    expect(await receiver.flush(signal)).toBe(11n);
    expect(await receiver.flush(signal)).toBeUndefined();
    expect(offsets()).toEqual([[[10], 11]]);
  });

  it('reads again from the first message that is not stored after a failure, and stores what has waited once', async () => {
    const { receiver, offsets } = setUp({ bytes: 100, failures: 1 });
    await fetch(receiver, 10);
    await expect(fetch(receiver, 11, { bytes: 200 })).rejects.toThrow('the partition is lost');
    expect(receiver.rewind()).toBe(10n);
    expect(await fetch(receiver, 10)).toBeUndefined();
    expect(await fetch(receiver, 11)).toBe(12n);
    expect(await fetch(receiver, 12)).toBeUndefined();
    expect(receiver.rewind()).toBe(12n);
    expect(offsets()).toEqual([[[10, 11], 12]]);
  });
});
