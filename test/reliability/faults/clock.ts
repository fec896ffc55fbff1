import { setTimeout as sleep } from 'node:timers/promises';
import { sharedDiskControl } from '../preload/control.ts';
import type { Fault, Node } from '../reliability.ts';
import { needsDiskControl } from './disk-orders.ts';

/** A process that gets SIGTERM or SIGKILL has ended after this time, or is stopping. */
const ENDING_MS = 2_000;
const OTHER_FAULTS = /disk is full|descriptors|E(NOSPC|DQUOT|IO|ROFS|MFILE)/;
const [SECOND, HOUR, DAY] = [1_000, 3_600_000, 86_400_000];
const JUMPS = [SECOND, -SECOND, HOUR, -HOUR, 2 * DAY, -DAY] as const;

/** Somebody sets the clock while load runs, back and forth. Keys, summaries, files by record time and /ready do not care. */
export const clockJumps: Fault = {
  name: 'clock-jumps',
  versions: [1, 2],
  weight: 1,
  kind: 'disturbs',
  needs: () => needsDiskControl(),
  async strike({ random, node, whenAcknowledged, note }) {
    const control = sharedDiskControl();
    const jumps = Array.from({ length: random.int(1, 4) }, () => random.pick(JUMPS));
    note(`clock ${jumps.map((ms) => `${ms / SECOND} s`).join(', ')}, back`);
    try {
      for (const offset of jumps) {
        await control.setClock(offset);
        if (!(await whenAcknowledged(random.int(1, 10))) || node.service() === undefined) break;
        if (!(await isReady(node))) throw new Error('GET /ready is not 200 after the clock jumped');
      }
    } finally {
      await control.setClock(0);
    }
  },
};

/**
 * True also when another fault ended the service, or is about to, before it could answer; and when another one took the disk or the
 * descriptors, which is what the answer then says.
 */
async function isReady(node: Node): Promise<boolean> {
  const service = node.service();
  if (service === undefined) return true;
  const response = await fetch(`${service.url}/ready`).catch(() => undefined);
  if (response?.status === 200 || OTHER_FAULTS.test((await response?.text()) ?? '')) return true;
  await sleep(ENDING_MS);
  return node.service() !== service;
}
