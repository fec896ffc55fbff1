import { expect, it } from 'vitest';
import { createPace } from './pace.ts';
import { runProducer } from './producer.ts';
import { createRandom } from './records/random.ts';

/**
 * What producers send on a clock that only waiting moves, from a start that is no whole number. `error`: milliseconds by which a timer is late,
 * or early where it is negative.
 */
async function run(producers: number, { batch = 1, intervalMs = 0, durationMs = 0, error = 0 }): Promise<number> {
  let sent = 0;
  for (let index = 0; index < producers; index++) {
    let ms = 1_234.567_891_2 + index / 7;
    await runProducer({
      makeBatch: (records) => ({ bytes: Buffer.alloc(0), records, ends: new Uint32Array() }),
      sender: {
        send: async ({ records }) => ({ sent: records, failed: 0, unsure: 0, bytes: 0 }),
        close: async () => {},
        destroy: () => {},
      },
      pace: createPace({
        intervalMs,
        burst: { chance: 0, factor: 5, durationMs: 0 },
        random: createRandom(1),
        now: () => ms,
        wait: async (wait) => {
          ms += wait + error;
        },
        breathe: async () => {},
      }),
      batch,
      count: Number.POSITIVE_INFINITY,
      durationMs,
      stopped: new AbortController().signal,
      report: (outcome) => {
        sent += outcome.sent;
      },
      wallClock: () => 0,
    });
  }
  return sent;
}

it.each([0, -0.9, 0.9, 40])('sends rate times duration, with timers that are %d ms late', async (error) => {
  for (const rate of [1, 3, 7, 10, 49, 93, 100, 333, 1_000])
    expect(await run(5, { intervalMs: 1_000 / rate, durationMs: 5_000, error }), `rate ${rate}`).toBe(5 * rate * 5);
});

it('sends whole batches until the duration is over', async () => {
  expect(await run(2, { batch: 50, intervalMs: 10, durationMs: 3_000 })).toBe(2 * 5_000 * 3);
});
