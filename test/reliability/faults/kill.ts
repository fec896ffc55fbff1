import type { Fault } from '../reliability.ts';

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
