import { gzipSync } from 'node:zlib';
import type { HostileClient } from '../attack.ts';
import { ask, post, repeat } from '../wire.ts';

const HOUR_MS = 3_600_000;

/** Small batches over very many hours: 6,000 days, which is over the limit, and 900 hours, which is not. */
export const manyHours: HostileClient = {
  name: 'many hours',
  phase: 'open',
  run: async (attack) => {
    const days = pack(6_000, 24 * HOUR_MS, 0);
    const hours = () => pack(900, HOUR_MS, attack.random.int(0, 20_000));
    await Promise.all([
      repeat(attack, { everyMs: 2_000, atOnce: 1 }, () => ask(attack, days)),
      repeat(attack, { everyMs: 10_000, atOnce: 1 }, () => ask(attack, hours())),
    ]);
  },
};

/** One record in each of `count` hours, `stepMs` from one to the next, `startDay` days after 1950. */
function pack(count: number, stepMs: number, startDay: number): Buffer {
  const start = Date.UTC(1950, 0, 1) + startDay * 24 * HOUR_MS;
  const rows = Array.from({ length: count }, (_, i) => `${new Date(start + i * stepMs).toISOString()},/a,b`);
  return post(gzipSync(rows.join('\n')), { 'Content-Type': 'text/csv', 'Content-Encoding': 'gzip' });
}
