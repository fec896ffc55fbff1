import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '../reliability.ts';

/* What happens to the processes of version 2 together, or for longer than the broker bears. */

/** kill -9 of the receiver and of the store at once. */
export const killAll: Fault = {
  name: 'kill-all',
  versions: [2],
  weight: 1,
  kind: 'ends',
  async strike({ random, nodes, whenAcknowledged, allow, count }) {
    allow({ statuses: ['none'] });
    await whenAcknowledged(random.int(0, 60));
    await Promise.all(nodes.map((node) => node.end('SIGKILL')));
    count('kills', nodes.length);
  },
};

/** Longer than the session of a group's member, 6 s. */
const ASLEEP_MS = 7_000;

/**
 * The process that stores is frozen (SIGSTOP) until the broker has given its partitions up. It wakes in the middle of what it
 * did, and must not store for partitions that it lost. By the clock, because the broker counts the session by the clock.
 */
export const storeAsleep: Fault = {
  name: 'store-asleep',
  versions: [2],
  weight: 0.3,
  kind: 'alone',
  async strike({ random, nodes, whenAcknowledged, allow, note }) {
    const service = nodes.at(-1)?.service();
    // The process that stores may be the one that receives: its requests time out while it sleeps.
    if (nodes.length === 1) allow({ statuses: [503, 'none'] });
    await whenAcknowledged(random.int(0, 60));
    note(`${ASLEEP_MS / 1000} s`);
    service?.signal('SIGSTOP');
    try {
      await sleep(ASLEEP_MS);
    } finally {
      service?.signal('SIGCONT');
    }
  },
};
