import { once, setMaxListeners } from 'node:events';
import { createRandom } from '../support/random.ts';
import type { Attack, Tallies } from './attack.ts';
import { HOSTILE_CLIENTS } from './clients.ts';
import { pause } from './wire.ts';

/*
 * The process of the hostile clients: `node hostile.ts '{"port":1,"seconds":60,"seed":1,"phase":"open","only":""}'`. It says when it is
 * ready, begins with the first byte on standard input, ends after that time, and prints its tallies as JSON.
 */
export interface HostilePlan {
  readonly port: number;
  readonly seconds: number;
  readonly seed: number;
  readonly phase: 'open' | 'keyed';
  /** Parts of names, separated by commas: the clients that attack. Empty: all. */
  readonly only: string;
}

/** The clients begin one after the other, so that what is measured is the attack and not its first instant. */
const START_APART_MS = 300;

async function attackAll({ port, seconds, seed, phase, only }: HostilePlan): Promise<Tallies> {
  const signal = AbortSignal.timeout(Math.round(seconds * 1_000));
  // The signal alone does not keep the process alive.
  const over = setTimeout(() => undefined, seconds * 1_000 + 10_000);
  setMaxListeners(0, signal);
  const random = createRandom(seed);
  const clients = HOSTILE_CLIENTS.filter(
    (client) => client.phase === phase && only.split(',').some((part) => client.name.includes(part)),
  );
  const tallies = await Promise.all(
    clients.map(async ({ name, run }, index) => {
      const tally: Record<string, number> = {};
      const count = (outcome: string) => {
        if (!signal.aborted) tally[outcome] = (tally[outcome] ?? 0) + 1;
      };
      const attack: Attack = { port, random: random.fork(), signal, count };
      await pause(signal, index * START_APART_MS);
      await run(attack);
      return [name, tally] as const;
    }),
  );
  clearTimeout(over);
  return Object.fromEntries(tallies);
}

// What takes time to make is made by now. The attack begins when the reader of this says so.
process.stdout.write('ready\n');
await once(process.stdin, 'data');
const tallies = await attackAll(JSON.parse(process.argv[2] ?? '') as HostilePlan);
const { user, system } = process.cpuUsage();
// Connections that the service has not closed yet must not hold the process.
process.stdout.write(JSON.stringify({ tallies, cpuSeconds: (user + system) / 1e6 }), () => process.exit());
