import type { Fault } from '../reliability.ts';

/** A stop under load: it answers what it accepted, refuses the rest, and ends with 0. */
export const stopUnderLoad: Fault = {
  name: 'stop-under-load',
  versions: [1, 2],
  weight: 2,
  kind: 'ends',
  async strike({ random, node, whenAcknowledged, allow, count }) {
    allow({ statuses: ['none', 503] });
    await whenAcknowledged(random.int(0, 40));
    await node.end(random.pick(['SIGTERM', 'SIGINT']));
    count('stops');
  },
};

/** A second SIGTERM while the first is obeyed: it ends at once. */
export const stopTwice: Fault = {
  name: 'stop-twice',
  versions: [1, 2],
  weight: 1,
  kind: 'ends',
  async strike({ random, node, whenAcknowledged, allow, count }) {
    // It may be done before the second signal.
    const exits = [0, 143].map((code) => ({ code, signal: null }));
    allow({ statuses: ['none', 503], exits });
    await whenAcknowledged(random.int(0, 40));
    node.service()?.signal('SIGTERM');
    await whenAcknowledged(random.int(0, 2));
    await node.end('SIGTERM');
    count('stops');
  },
};
