import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../support/random.ts';
import { type BrokerUnderTest, startBrokerUnderTest } from './broker-under-test.ts';
import { createDeploymentV2, type Layout } from './deployment-v2.ts';
import { brokerKill, brokerPause, brokerStop } from './faults/broker.ts';
import { killUnderLoad } from './faults/kill.ts';
import { lostAnswers, networkCut, networkPartition, networkRefused, networkSlow } from './faults/network.ts';
import { killAll, storeAsleep } from './faults/nodes.ts';
import { runKeptLife } from './kept-life.ts';
import type { Fault } from './reliability.ts';

/* Every fault of the broker, of the network and of the processes of version 2, with seeds that stay. */

let broker: BrokerUnderTest;

beforeAll(async () => {
  broker = await startBrokerUnderTest();
});
afterAll(async () => {
  await broker?.dispose();
});

function runLife(seed: number, layout: Layout, faults: readonly (readonly Fault[])[]) {
  return runKeptLife({
    seed,
    faults,
    version: 2,
    deploy: ({ root }) => createDeploymentV2({ folder: root, random: createRandom(seed), broker, layout }),
  });
}

describe('a short life of version 2', { timeout: 300_000 }, () => {
  it('keeps every promise, and the order, when the network fails a receiver and a store', async () => {
    const layout = { isApart: true, partitions: 1, hasSpool: true };
    // With seed 7 of the command, the first of them found batches of a client out of order: they came from the spool in one send.
    const faults = [[networkPartition, networkSlow], [networkCut], [lostAnswers, killUnderLoad], [networkRefused]];
    const rounds = await runLife(7, layout, faults);
    expect(rounds).toHaveLength(4);
  });

  it('keeps every promise when the broker fails one service, and the service is killed', async () => {
    const layout = { isApart: false, partitions: 2, hasSpool: true };
    const rounds = await runLife(3, layout, [[brokerPause], [brokerKill, killAll]]);
    expect(rounds.reduce((sum, { figures }) => sum + figures.kills, 0)).toBe(1);
  });

  it('keeps every promise without a spool, and after a store slept for longer than its session', async () => {
    await runLife(5, { isApart: true, partitions: 2, hasSpool: false }, [[brokerStop], [storeAsleep]]);
  });
});
