import { freePort } from '../support/broker-process.ts';
import { startBroker } from '../support/kafka-broker.ts';
import { type KafkaProxy, startKafkaProxy } from '../support/kafka-proxy.ts';

/** `stop`: SIGTERM. `kill`: kill -9. `pause`: SIGSTOP, so that its connections stay and it answers nothing. */
export type BrokerFault = 'stop' | 'kill' | 'pause';

/** The nodes reach the broker on ways of their own. A process that receives and stores uses the receiver's way. */
export type Way = 'receiver' | 'store';

/**
 * The broker of a run, which all its lives share: each has a topic and a group of its own. Faults of one kind that a round
 * strikes at the same time wait for each other, so that one does not lift the other.
 */
export interface BrokerUnderTest {
  /** Past the proxies, for the checks. */
  readonly direct: readonly string[];
  readonly ways: Readonly<Record<Way, KafkaProxy>>;
  /** Makes the broker unavailable. Resolves when it is available again, after `during` has ended, well or not. */
  outage(fault: BrokerFault, during: () => Promise<unknown>): Promise<void>;
  /** Lets `spoil` give orders to the proxies, and heals all ways when `during` has ended, well or not. */
  disturb(spoil: () => unknown, during: () => Promise<unknown>): Promise<void>;
  dispose(): Promise<void>;
}

export async function startBrokerUnderTest(): Promise<BrokerUnderTest> {
  const startWay = async (name: string) => {
    const target = await freePort();
    const proxy = await startKafkaProxy({ target });
    return { proxy, listener: { name, protocol: 'PLAINTEXT', port: target, advertisedPort: proxy.port } as const };
  };
  const [receiver, store] = [await startWay('RECEIVER'), await startWay('STORE')];
  const ways = { receiver: receiver.proxy, store: store.proxy };
  const closeWays = () => Promise.all(Object.values(ways).map((way) => way.close()));
  const broker = await startBroker({ listeners: [receiver.listener, store.listener] }).catch(async (error: unknown) => {
    await closeWays();
    throw error;
  });

  const begin = { stop: broker.stop, kill: broker.kill9, pause: broker.pause };
  const end = { stop: broker.restart, kill: broker.restart, pause: broker.resume };
  const outages = createTurns();
  const disturbances = createTurns();
  return {
    direct: broker.brokers,
    ways,
    outage: (fault, during) =>
      outages(async () => {
        await begin[fault]();
        try {
          await during();
        } finally {
          await end[fault]();
        }
      }),
    disturb: (spoil, during) =>
      disturbances(async () => {
        try {
          await spoil();
          await during();
        } finally {
          await Promise.all(Object.values(ways).map((way) => way.heal()));
        }
      }),
    dispose: async () => {
      await closeWays();
      await broker.dispose();
    },
  };
}

/** Runs one piece of work after the other. */
function createTurns() {
  let last: Promise<unknown> = Promise.resolve();
  return (work: () => Promise<void>): Promise<void> => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
}
