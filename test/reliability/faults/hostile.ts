import { setMaxListeners } from 'node:events';
// It compresses bombs when it is loaded: here, and not in the middle of a round.
import { HOSTILE_CLIENTS } from '../../attack/clients.ts';
import type { Fault } from '../reliability.ts';

/** Some of the hostile clients of `make attack`, beside the load. */
export const hostile: Fault = {
  name: 'hostile-clients',
  versions: [1, 2],
  weight: 2,
  kind: 'disturbs',
  honestP99Milliseconds: 2_500,
  async strike({ random, receiver, whenAcknowledged, allow, note }) {
    allow({ foreignRecords: true });
    const open = HOSTILE_CLIENTS.filter(({ phase }) => phase === 'open');
    const drawn = new Set(Array.from({ length: random.int(1, 3) }, () => random.pick(open)));
    note([...drawn].map(({ name }) => name).join(' + '));
    const over = new AbortController();
    setMaxListeners(0, over.signal);
    const { port } = receiver();
    await whenAcknowledged(random.int(0, 20));
    const attacks = [...drawn].map(({ run }) =>
      run({ port, random: random.fork(), signal: over.signal, count: () => undefined }),
    );
    try {
      await whenAcknowledged(random.int(100, 300));
    } finally {
      over.abort();
      await Promise.all(attacks);
    }
  },
};
