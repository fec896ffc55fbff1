import type { Random } from '../../support/random.ts';
import type { Answer, Sending } from '../../support/workload.ts';
import type { Fault, Round } from '../reliability.ts';
import { send } from '../send.ts';

const WAYS = ['in the head', 'in the body', 'before the answer', 'half-close'] as const;

/** Clients that hang up in the middle of a head, of a body, or before the answer; and clients that end only their side. */
export const hangUps: Fault = {
  name: 'hang-ups',
  versions: [1, 2],
  weight: 2,
  kind: 'disturbs',
  async strike({ random, receiver, whenAcknowledged, batches, allow }) {
    allow({ statuses: ['none'] });
    const { port } = receiver();
    for (let turn = random.int(2, 5); turn > 0; turn--) {
      if (!(await whenAcknowledged(random.int(0, 10)))) return;
      await Promise.all(Array.from({ length: random.int(1, 8) }, () => hangUp(port, batches, random)));
    }
  },
};

async function hangUp(port: number, batches: Round['batches'], random: Random): Promise<void> {
  const batch = batches.make();
  const way = random.pick(WAYS);
  const share = random.next();
  batches.answered(batch, await sendPart(port, batch, way, share));
}

/** `share`: of the head, or of the body, how much is sent. */
async function sendPart(
  port: number,
  batch: Sending,
  way: (typeof WAYS)[number],
  share: number,
): Promise<Answer | 'incomplete'> {
  if (way === 'half-close') return send(port, batch, { halfCloses: true });
  if (way === 'before the answer') return send(port, batch, { patienceMs: share < 0.5 ? 0 : 2 });
  await send(port, batch, { part: way === 'in the head' ? { head: share } : { body: share }, patienceMs: 0 });
  return 'incomplete';
}
