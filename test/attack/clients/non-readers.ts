import type { Attack, HostileClient } from '../attack.ts';
import { closed, head, keep, open, pause, post } from '../wire.ts';

/** Requests a turn, and the pause between two turns: until the buffers of the kernel are full, such a client looks like one that reads. */
const REQUESTS_A_TURN = 5;
const TURN_MS = 50;

/**
 * Connections that send and never read. The answers are longer than the requests. Three kinds: the fast path, node:http (a header that the
 * fast path leaves to it), and a GET with a long answer.
 */
export const nonReaders: HostileClient = {
  name: 'senders that never read',
  phase: 'open',
  run: (attack) => {
    const body = `[${Array(100).fill('1').join(',')}]`;
    const requests = [post(body), post(body, { TE: 'trailers' }), Buffer.from(head('GET /metrics', {}))];
    const floods = requests.map((request) =>
      keep(attack, { connections: 1, pauseMs: 1_000 }, () => flood(attack, request)),
    );
    return Promise.all(floods).then(() => undefined);
  },
};

async function flood(attack: Attack, request: Buffer): Promise<void> {
  const { signal } = attack;
  const socket = await open(attack);
  if (socket === undefined) {
    attack.count('refused');
    return;
  }
  socket.pause();
  const turn = Buffer.concat(Array(REQUESTS_A_TURN).fill(request));
  let isBlocked = false;
  while (!signal.aborted && !socket.destroyed && !isBlocked) {
    isBlocked = !socket.write(turn) && !(await drains(attack, socket));
    await pause(signal, TURN_MS);
  }
  // The service has stopped to read, which is right. It should close the connection after a while, too.
  if (isBlocked) await Promise.race([closed(socket), pause(signal, 30_000)]);
  attack.count(socket.destroyed && !signal.aborted ? 'closed' : isBlocked ? 'blocked' : 'read on');
  socket.destroy();
}

/** Whether the service takes what was written within two seconds. */
async function drains({ signal }: Attack, socket: NodeJS.EventEmitter): Promise<boolean> {
  let isDrained = false;
  socket.once('drain', () => {
    isDrained = true;
  });
  for (let i = 0; i < 20 && !isDrained && !signal.aborted; i++) await pause(signal, 100);
  return isDrained;
}
