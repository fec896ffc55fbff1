import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient } from '../../support/client.ts';
import type { Node, Round } from '../reliability.ts';
import { send } from '../send.ts';

/* What faults ask a service while they last. */

const TOLD_WITHIN_MS = 5_000;
const POLL_MS = 20;
const MAX_SENT = 200;

/**
 * Resolves with true when GET /ready answers `status`; throws after 5 s. False when another fault ended the service. `client`: for a
 * service that takes no new connection.
 */
export async function awaitReady(node: Node, status: 200 | 503, client?: Client): Promise<boolean> {
  const service = node.service();
  if (service === undefined) return false;
  const asking = client ?? createClient(service.port, { connections: 1 });
  try {
    for (let left = TOLD_WITHIN_MS / POLL_MS; ; left--) {
      const answer = await asking.get('/ready');
      if (answer.status === status) return true;
      if (node.service() !== service) return false;
      if (left <= 0) throw new Error(`GET /ready is not ${status} within 5 s: ${answer.status} ${answer.body}`);
      await sleep(POLL_MS);
    }
  } finally {
    if (client === undefined) asking.close();
  }
}

/** Sends batches beside the load until `count` of them are refused with 503, or another fault ends the service. Gives how many were. */
export async function sendUntilRefused({ node, receiver, batches }: Round, count: number): Promise<number> {
  let refused = 0;
  for (let sent = 0; refused < count && node.service() !== undefined; sent++) {
    if (sent === MAX_SENT) throw new Error(`${sent} batches were sent, and only ${refused} refused`);
    const batch = batches.make();
    const answer = await send(receiver().port, batch);
    batches.answered(batch, answer);
    if (answer.status === 503) refused++;
  }
  return refused;
}
