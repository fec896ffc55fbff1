import type { HostileClient } from '../attack.ts';
import { firstStatus, head, open, post, repeat } from '../wire.ts';

/** Ends its side of the connection directly after a whole request, or after half of one. */
export const halfClose: HostileClient = {
  name: 'half-close',
  phase: 'open',
  run: (attack) => {
    const body = '[{"timestamp":"2026-02-01T03:00:00Z","path":"/half","userAgent":"b"}]';
    const whole = [post(body), post(body, { TE: 'trailers' }), Buffer.from(head('GET /health', {}))];
    const requests = [...whole, ...whole.map((request) => request.subarray(0, request.length / 2))];
    return repeat(attack, { everyMs: 100, atOnce: 20 }, async () => {
      const socket = await open(attack);
      if (socket === undefined) return attack.count('refused');
      socket.end(attack.random.pick(requests));
      attack.count((await firstStatus(socket)) ?? 'closed');
      socket.destroy();
    });
  },
};
