import { sharedDiskControl } from '../preload/control.ts';
import type { Fault } from '../reliability.ts';
import { needsDiskControl } from './disk-orders.ts';

const [SECOND, HOUR, DAY] = [1_000, 3_600_000, 86_400_000];
const JUMPS = [SECOND, -SECOND, HOUR, -HOUR, 2 * DAY, -DAY] as const;

/** Somebody sets the clock while load runs, back and forth. Keys, summaries, files by record time and /ready do not care. */
export const clockJumps: Fault = {
  name: 'clock-jumps',
  versions: [1, 2],
  weight: 1,
  kind: 'disturbs',
  needs: () => needsDiskControl(),
  async strike({ random, receiver, node, whenAcknowledged, note }) {
    const control = sharedDiskControl();
    const jumps = Array.from({ length: random.int(1, 4) }, () => random.pick(JUMPS));
    note(`clock ${jumps.map((ms) => `${ms / SECOND} s`).join(', ')}, back`);
    try {
      for (const offset of jumps) {
        await control.setClock(offset);
        if (!(await whenAcknowledged(random.int(1, 10))) || node.service() === undefined) break;
        const response = await fetch(`${receiver().url}/ready`).catch(() => undefined);
        const { status } = response ?? { status: 'no answer' };
        if (status !== 200 && node.service() !== undefined)
          throw new Error(`/ready is ${status} after the clock jumped`);
      }
    } finally {
      await control.setClock(0);
    }
  },
};
