import type { HostileClient } from '../attack.ts';
import { ask, post, repeat } from '../wire.ts';

/** Guesses API keys, from the address that the honest clients have, too. */
export const wrongKeys: HostileClient = {
  name: 'wrong API keys',
  phase: 'keyed',
  run: (attack) =>
    repeat(attack, { everyMs: 10, atOnce: 20 }, () => {
      const guess = attack.random.int(0, 1_000_000_000).toString(36);
      return ask(attack, post('[]', { 'X-API-Key': guess }));
    }),
};
