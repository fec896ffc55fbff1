import { setMaxListeners } from 'node:events';
import type { Fault } from '../reliability.ts';

/** Some of the hostile clients of `make attack`, beside the load. */
export const hostile: Fault = {
  name: 'hostile-clients',
  versions: [1, 2],
  weight: 2,
  kind: 'disturbs',
  honestP99Milliseconds: 1_000,
  async strike({ random, receiver, whenAcknowledged, allow, note }) {
    allow({ foreignRecords: true });
    // It compresses bombs when it is loaded.
    const { HOSTILE_CLIENTS } = await import('../../attack/clients.ts');
    const open = HOSTILE_CLIENTS.filter(({ phase }) => phase === 'open');
    const drawn = new Set(Array.from({ length: random.int(1, 3) }, () => random.pick(open)));
    note([...drawn].map(({ name }) => name).join(' + '));
    const over = new AbortController();
    setMaxListeners(0, over.signal);
    await whenAcknowledged(random.int(0, 20));
    const { port } = receiver();
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
