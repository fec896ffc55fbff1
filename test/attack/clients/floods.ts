import type { HostileClient } from '../attack.ts';
import { ask, firstStatus, head, keep, open, repeat } from '../wire.ts';

/** Connections that send nothing at all. */
export const connectionFlood: HostileClient = {
  name: 'silent connections',
  phase: 'open',
  run: (attack) =>
    keep(attack, { connections: 300, pauseMs: 1_000 }, async () => {
      const socket = await open(attack);
      if (socket === undefined) return attack.count('refused');
      attack.count((await firstStatus(socket, 30_000)) ?? 'closed');
      socket.destroy();
    }),
};

/** Heads beyond every limit: one very long header, or thousands of short ones. */
export const headerFlood: HostileClient = {
  name: 'large heads',
  phase: 'open',
  run: (attack) => {
    const names = Array.from({ length: 5_000 }, (_, i) => [`x-${i}`, 'v'] as const);
    const requests = [head('POST /logs', { 'X-Long': 'v'.repeat(200_000) }), head('GET /', Object.fromEntries(names))];
    return repeat(attack, { everyMs: 200, atOnce: 10 }, () => ask(attack, Buffer.from(attack.random.pick(requests))));
  },
};
