import { type HostileClient, WIDE_HOUR } from '../attack.ts';
import { closed, head, keep, open } from '../wire.ts';

/** Asks for the whole summary of a wide hour, alone and in a sum, over many connections. Half of them read slowly. */
export const wideAnalytics: HostileClient = {
  name: 'wide analytics',
  phase: 'open',
  run: (attack) => {
    const day = WIDE_HOUR.slice(0, 10);
    const targets = [`hour=${WIDE_HOUR}`, `hour=${WIDE_HOUR}`, `from=${day}T00&to=${day}T23`];
    return keep(attack, { connections: 4, pauseMs: 2_000 }, async () => {
      const socket = await open(attack);
      if (socket === undefined) return attack.count('refused');
      const isSlow = attack.random.chance(0.5);
      let bytes = 0;
      let status = 'no answer';
      socket.on('data', (part: Buffer) => {
        if (bytes === 0) status = part.toString('latin1', 9, 12);
        bytes += part.length;
        if (!isSlow) return;
        socket.pause();
        setTimeout(() => socket.resume(), 200).unref();
      });
      socket.on('end', () => socket.destroy());
      socket.write(head(`GET /analytics?${attack.random.pick(targets)}`, { Connection: 'close' }));
      await closed(socket);
      attack.count(status);
    });
  },
};
