import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '../reliability.ts';
import { send } from '../send.ts';

/** kill -9 in the thick of the load. */
export const killUnderLoad: Fault = {
  name: 'kill-under-load',
  versions: [1, 2],
  weight: 4,
  kind: 'ends',
  async strike({ random, node, whenAcknowledged, allow, count }) {
    allow({ statuses: ['none'] });
    await whenAcknowledged(random.int(0, 40));
    await node.end('SIGKILL');
    count('kills');
  },
};

/** kill -9 at the moment in which a client got its 202, when nothing else is under way. */
export const killAfterAnswer: Fault = {
  name: 'kill-after-answer',
  versions: [1, 2],
  weight: 2,
  kind: 'ends',
  async strike({ random, node, receiver, whenAcknowledged, endLoad, batches, allow, count }) {
    allow({ statuses: ['none'] });
    await whenAcknowledged(random.int(0, 20));
    await endLoad();
    for (let left = random.int(1, 3); left > 0 && node.service() !== undefined; left--) {
      const batch = batches.make();
      batches.answered(batch, await send(receiver().port, batch));
    }
    await node.end('SIGKILL');
    count('kills');
  },
};

/** kill -9 in the middle of a stop: SIGTERM, and SIGKILL up to 60 ms later. */
export const killWhileStopping: Fault = {
  name: 'kill-while-stopping',
  versions: [1, 2],
  weight: 2,
  kind: 'ends',
  async strike({ random, node, whenAcknowledged, allow, count }) {
    // It may be faster than the kill.
    allow({ statuses: ['none', 503], exits: [{ code: 0, signal: null }] });
    const afterMs = random.int(0, 60);
    await whenAcknowledged(random.int(0, 40));
    node.service()?.signal('SIGTERM');
    await sleep(afterMs);
    await node.end('SIGKILL');
    count('kills');
  },
};
