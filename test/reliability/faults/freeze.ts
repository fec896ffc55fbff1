import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '../reliability.ts';
import { send } from '../send.ts';

/** SIGSTOP, and SIGCONT later. Meanwhile clients give up; the load sends their batches again, with the key. */
export const freeze: Fault = {
  name: 'freeze',
  versions: [1, 2],
  weight: 2,
  kind: 'disturbs',
  async strike({ random, node, receiver, whenAcknowledged, batches, allow, note }) {
    allow({ statuses: ['none'] });
    const ms = random.int(200, 1_500);
    const { port } = receiver();
    await whenAcknowledged(random.int(0, 40));
    const service = node.service();
    if (service === undefined) return;
    service.signal('SIGSTOP');
    try {
      const given = Array.from({ length: random.int(1, 6) }, async () => {
        const batch = batches.make({ keyed: true });
        batches.answered(batch, await send(port, batch, { patienceMs: random.int(10, 100) }));
      });
      await Promise.all([sleep(ms), ...given]);
    } finally {
      service.signal('SIGCONT');
    }
    note(`${ms} ms`);
    await whenAcknowledged(10);
  },
};
