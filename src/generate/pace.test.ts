import { describe, expect, it } from 'vitest';
import { createPace, type PaceOptions } from './pace.ts';
import { createRandom } from './records/random.ts';

const NO_BURST = { chance: 0, factor: 5, durationMs: 3_000 };

/** A pace on a clock that only waiting moves. */
function setup(options: Partial<PaceOptions>) {
  const clock = { ms: 50, breaths: 0 };
  const pace = createPace({
    intervalMs: 100,
    burst: NO_BURST,
    random: createRandom(1),
    now: () => clock.ms,
    wait: async (ms) => {
      clock.ms += ms;
    },
    breathe: async () => {
      clock.breaths++;
    },
    ...options,
  });
  const take = async (count: number): Promise<number[]> => {
    const times: number[] = [];
    for (let i = 0; i < count; i++) times.push(await pace.next());
    return times;
  };
  return { clock, pace, take };
}

describe('pace', () => {
  it('begins at once and keeps its interval', async () => {
    const { take } = setup({});
    expect(await take(4)).toEqual([0, 100, 200, 300]);
  });

  it('makes up for a short delay, and not for a long one', async () => {
    const { clock, take } = setup({});
    await take(1);
    clock.ms += 350;
    expect(await take(4)).toEqual([100, 200, 300, 400]);
    clock.ms += 60_000;
    expect(await take(2)).toEqual([59_400, 59_500]);
  });

  it('without an interval never waits, and lets others run every few milliseconds', async () => {
    const { clock, pace } = setup({ intervalMs: 0, wait: () => expect.unreachable() });
    for (let i = 0; i < 100; i++) {
      clock.ms += 1;
      await pace.next();
    }
    expect(clock.breaths).toBe(20);
  });

  it('is so many times faster in a burst, for its duration', async () => {
    const { take } = setup({ burst: { chance: 1, factor: 5, durationMs: 500 } });
    const times = await take(60);
    const gaps = times.slice(1).map((time, i) => Math.round(time - (times[i] ?? 0)));
    expect(gaps.slice(0, 10)).toEqual(Array(10).fill(100));
    expect(gaps.slice(10, 35)).toEqual(Array(25).fill(20));
    expect(gaps.slice(35, 40)).toEqual(Array(5).fill(100));
  });

  it('draws bursts from its seed', async () => {
    const times = (seed: number) =>
      setup({ random: createRandom(seed), burst: { chance: 0.05, factor: 5, durationMs: 3_000 } }).take(3_000);
    expect(await times(1)).toEqual(await times(1));
    expect(await times(1)).not.toEqual(await times(2));
    expect((await times(1)).at(-1)).toBeLessThan(299_000);
  });
});
