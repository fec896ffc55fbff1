import type { Fault } from '../reliability.ts';
import { needsDiskControl, strikeDisk } from './disk-orders.ts';

/** Syncs take 5 ms to 2 s longer, those of 2 s only a few times, so that the round stays short. */
export const slowDisk: Fault = {
  name: 'slow-disk',
  versions: [1, 2],
  weight: 1,
  kind: 'disturbs',
  honestP99Milliseconds: 10_000,
  needs: () => needsDiskControl(true),
  async strike(round) {
    const { random, whenAcknowledged } = round;
    const [ms, jitterMs, times] = random.pick([
      [5, 20, 100],
      [30, 200, 12],
      [500, 500, 3],
      [2_000, 0, 1],
    ] as const);
    const files = random.pick(['journal', 'hours', 'all', 'all'] as const);
    await whenAcknowledged(random.int(0, 10));
    const fault = { kind: 'delay', ms, jitterMs, seed: random.int(0, 2 ** 31 - 1) } as const;
    const held = await strikeDisk(round, { operations: ['sync', 'syncFolder'], files, times, fault });
    await held.lift();
  },
};
