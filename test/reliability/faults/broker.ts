import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../support/random.ts';
import type { BrokerFault, BrokerUnderTest } from '../broker-under-test.ts';
import type { Fault, Round } from '../reliability.ts';

/*
 * The broker is unavailable while batches are sent. With the spool they are accepted all the same; without it they are
 * answered 503, and nothing says whether such a batch is stored.
 */

/** The broker of a round of version 2. */
export function brokerOf({ broker }: Round): BrokerUnderTest {
  if (broker === undefined) throw new Error('a fault of the broker needs version 2');
  return broker;
}

/** Until so many batches more are accepted, or the load ends, or none is accepted (without a spool) for `atMostMs`. */
export async function underLoad(round: Round, more: number, atMostMs = 2_500): Promise<void> {
  const over = new AbortController();
  await Promise.race([round.whenAcknowledged(more), sleep(atMostMs, undefined, { signal: over.signal })]);
  over.abort();
}

function makeFault(options: {
  readonly fault: BrokerFault;
  readonly weight: number;
  /** Batches that are accepted while it lasts. */
  readonly batches: (random: Random) => number;
}): Fault {
  const { fault, weight, batches } = options;
  return {
    name: `broker-${fault}`,
    versions: [2],
    weight,
    kind: 'disturbs',
    async strike(round) {
      round.allow({ statuses: [503] });
      await round.whenAcknowledged(round.random.int(0, 40));
      const during = batches(round.random);
      await brokerOf(round).outage(fault, () => underLoad(round, during));
    },
  };
}

/** A start takes the broker three seconds. Then all of the rest is also an outage. */
export const brokerStop = makeFault({ fault: 'stop', weight: 0.7, batches: (random) => random.int(0, 60) });
export const brokerKill = makeFault({ fault: 'kill', weight: 1, batches: (random) => random.int(0, 60) });
export const brokerPause = makeFault({ fault: 'pause', weight: 1.5, batches: (random) => random.int(20, 200) });
