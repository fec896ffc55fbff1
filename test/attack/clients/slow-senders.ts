import type { Socket } from 'node:net';
import type { Attack, HostileClient } from '../attack.ts';
import { firstStatus, head, keep, open, pause, post } from '../wire.ts';

const LARGEST_BODY = 16 * 1024 * 1024;
const JSON_BODY = { 'Content-Type': 'application/json', 'Content-Length': LARGEST_BODY };

/** Heads that announce the largest body and send none of it: 64 reserve a gigabyte where the announced length counts. */
export const silentHeads: HostileClient = {
  name: 'silent heads',
  phase: 'open',
  run: (attack) =>
    keep(attack, { connections: 64, pauseMs: 500 }, () => hold(attack, head('POST /logs', JSON_BODY), () => '')),
};

/** Bodies that come a byte or a kilobyte a second. */
export const slowBodies: HostileClient = {
  name: 'slow bodies',
  phase: 'open',
  run: (attack) =>
    keep(attack, { connections: 64, pauseMs: 500 }, () => {
      const drop = ' '.repeat(attack.random.pick([1, 1_024, 16_384]));
      return hold(attack, head('POST /logs', JSON_BODY), () => drop);
    }),
};

/** Heads that come a byte a second: the first of a connection, or the second after a whole request. */
export const slowHeads: HostileClient = {
  name: 'slow heads',
  phase: 'open',
  run: (attack) =>
    keep(attack, { connections: 128, pauseMs: 500 }, () => {
      const first = attack.random.chance(0.5) ? post('[]') : Buffer.alloc(0);
      let at = 0;
      const slow = `POST /logs HTTP/1.1\r\nX-Slow: ${'s'.repeat(10_000)}`;
      return hold(attack, first, () => slow[at++] ?? '');
    }),
};

/** Sends `begin`, then a part each second, until the service closes the connection. Counts how it ended. */
async function hold(attack: Attack, begin: Buffer | string, next: () => string): Promise<void> {
  const socket = await open(attack);
  if (socket === undefined) {
    attack.count('refused');
    return;
  }
  const status = firstStatus(socket, 60_000);
  socket.write(begin);
  await drip(attack, socket, next);
  attack.count((await status) ?? 'closed');
  socket.destroy();
}

async function drip({ signal }: Attack, socket: Socket, next: () => string): Promise<void> {
  let isOver = false;
  socket.on('end', () => {
    isOver = true;
  });
  while (!signal.aborted && !isOver && !socket.destroyed) {
    await pause(signal, 1_000);
    const part = next();
    if (part !== '' && socket.writable) socket.write(part);
  }
}
