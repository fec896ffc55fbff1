import type { HostileClient } from '../attack.ts';
import { closed, head, keep, open } from '../wire.ts';

const QUERIES = [
  'limit=all',
  'limit=all&order=desc&format=csv',
  'matches=(a%2Ba%2B)%2B%24&limit=all',
  'where=x.y.z.a.b.c.d.e=1&limit=all',
  'contains=nowhere&from=1990-01-01&to=2090-01-01',
];

/** Asks for all records there are, by costly conditions, over many connections. Half of them read slowly, some leave at once. */
export const wideQueries: HostileClient = {
  name: 'wide queries',
  phase: 'open',
  run: (attack) =>
    keep(attack, { connections: 16, pauseMs: 500 }, async () => {
      const socket = await open(attack);
      if (socket === undefined) return attack.count('refused');
      const isSlow = attack.random.chance(0.5);
      const leaves = attack.random.chance(0.2);
      let status = '';
      socket.on('data', (part: Buffer) => {
        if (status === '') status = part.toString('latin1', 9, 12);
        if (leaves) socket.destroy();
        else if (isSlow) {
          socket.pause();
          setTimeout(() => socket.resume(), 200).unref();
        }
      });
      socket.on('end', () => socket.destroy());
      socket.write(head(`GET /records?${attack.random.pick(QUERIES)}`, { Connection: 'close' }));
      await closed(socket);
      attack.count(status === '' ? 'no answer' : status);
    }),
};
