import { setMaxListeners } from 'node:events';
import { createRandom } from '../support/random.ts';
import type { Attack, Tallies } from './attack.ts';
import { HOSTILE_CLIENTS } from './clients.ts';

/*
 * The process of the hostile clients: `node hostile.ts '{"port":1,"seconds":60,"seed":1,"phase":"open","only":""}'`. It ends after that time, and
 * prints its tallies as JSON.
 */
export interface HostilePlan {
  readonly port: number;
  readonly seconds: number;
  readonly seed: number;
  readonly phase: 'open' | 'keyed';
  /** Part of the names of those that attack; all when empty. */
  readonly only: string;
}

async function attackAll({ port, seconds, seed, phase, only }: HostilePlan): Promise<Tallies> {
  const signal = AbortSignal.timeout(seconds * 1_000);
  setMaxListeners(0, signal);
  const random = createRandom(seed);
  const clients = HOSTILE_CLIENTS.filter((client) => client.phase === phase && client.name.includes(only));
  const tallies = await Promise.all(
    clients.map(async ({ name, run }) => {
      const tally: Record<string, number> = {};
      const count = (outcome: string) => {
        if (!signal.aborted) tally[outcome] = (tally[outcome] ?? 0) + 1;
      };
      const attack: Attack = { port, random: random.fork(), signal, count };
      await run(attack);
      return [name, tally] as const;
    }),
  );
  return Object.fromEntries(tallies);
}

const tallies = await attackAll(JSON.parse(process.argv[2] ?? '') as HostilePlan);
const { user, system } = process.cpuUsage();
// Connections that the service has not closed yet must not hold the process.
process.stdout.write(JSON.stringify({ tallies, cpuSeconds: (user + system) / 1e6 }), () => process.exit());
