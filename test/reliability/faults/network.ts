import type { Toxics } from '../../support/passage.ts';
import type { Random } from '../../support/random.ts';
import type { Cut, Direction, Scope } from '../../support/tcp-proxy.ts';
import type { Way } from '../broker-under-test.ts';
import type { Fault, Round } from '../reliability.ts';
import { brokerOf, underLoad } from './broker.ts';

/* What a network does between the service and the broker. The clients of the service notice nothing of it. */

interface Part {
  readonly name: string;
  readonly ways: readonly Way[];
  readonly scope: Scope;
}

const BOTH = ['receiver', 'store'] as const;
/** Who is cut off. By roles, so that it also holds for one process that produces and consumes. */
const PARTS: readonly Part[] = [
  { name: 'the producer', ways: BOTH, scope: { role: 'producer' } },
  { name: 'the consumer', ways: BOTH, scope: { role: 'consumer' } },
  { name: 'the receiver', ways: ['receiver'], scope: {} },
  { name: 'the store', ways: ['store'], scope: {} },
  { name: 'all', ways: BOTH, scope: {} },
  { name: 'some connections', ways: BOTH, scope: { share: 0.5 } },
];
const DIRECTIONS = ['toServer', 'toClient', 'both'] as const;
const CUTS = ['close', 'reset'] as const;

/** A fault of the network that lasts for a number of batches, and is then lifted. */
function makeFault(options: {
  readonly name: string;
  readonly weight: number;
  readonly batches: readonly [least: number, most: number];
  /** Draws the fault and begins it. Returns words for the line of the round. */
  readonly begin: (round: Round) => string | Promise<string>;
  /** Before it is lifted. */
  readonly end?: (round: Round) => void;
}): Fault {
  const { name, weight, batches, begin, end } = options;
  return {
    name,
    versions: [2],
    weight,
    kind: 'disturbs',
    async strike(round) {
      round.allow({ statuses: [503] });
      await round.whenAcknowledged(round.random.int(0, 40));
      const count = round.random.int(...batches);
      const during = async () => {
        await underLoad(round, count);
        end?.(round);
      };
      await brokerOf(round).disturb(async () => round.note(await begin(round)), during);
    },
  };
}

function proxiesOf(round: Round, ways: readonly Way[] = BOTH) {
  const { ways: all } = brokerOf(round);
  return ways.map((way) => all[way]);
}

function spoil(round: Round, { ways, scope }: Part, direction: Direction | 'both', toxics: Toxics): void {
  for (const proxy of proxiesOf(round, ways)) proxy.spoil(direction, toxics, scope);
}

/** A partition: nothing passes, and nobody is told. Then all of it passes, or the connections turn out to be dead. */
export const networkPartition = makeFault({
  name: 'network-partition',
  weight: 3,
  batches: [20, 150],
  begin: (round) => {
    const part = round.random.pick(PARTS);
    const direction = round.random.pick(DIRECTIONS);
    spoil(round, part, direction, { isBlackHole: true });
    return `${part.name}, ${direction}`;
  },
  end: (round) => {
    if (round.random.chance(0.5)) for (const proxy of proxiesOf(round)) proxy.cut(round.random.pick(CUTS));
  },
});

/** No connection can be made, and the open ones are cut. */
export const networkRefused = makeFault({
  name: 'network-refused',
  weight: 1,
  batches: [5, 100],
  begin: async (round) => {
    const { name, ways } = round.random.pick(PARTS.filter(({ scope }) => Object.keys(scope).length === 0));
    const how = round.random.pick(CUTS);
    for (const proxy of proxiesOf(round, ways)) {
      await proxy.refuse();
      proxy.cut(how);
    }
    return `${name}, ${how}`;
  },
});

/** Connections end: cut in order, reset, closed in one direction, or after some bytes, so also within a request. */
export const networkCut = makeFault({
  name: 'network-cut',
  weight: 2,
  batches: [0, 60],
  begin: (round) => {
    const { random } = round;
    const part = random.pick(PARTS);
    const kind = random.pick(['close', 'reset', 'half-close', 'limit'] as const);
    if (kind === 'limit') {
      spoil(round, part, random.pick(DIRECTIONS), { limitBytes: random.int(1, 200_000) });
    } else {
      for (const proxy of proxiesOf(round, part.ways)) cut(proxy, kind, random, part.scope);
    }
    return `${part.name}, ${kind}`;
  },
});

function cut(
  proxy: ReturnType<typeof proxiesOf>[number],
  kind: Cut | 'half-close',
  random: Random,
  scope: Scope,
): void {
  if (kind === 'half-close') proxy.halfClose(random.pick(['toServer', 'toClient']), scope);
  else proxy.cut(kind, scope);
}

/** A distant, narrow or fine-grained network. */
export const networkSlow = makeFault({
  name: 'network-slow',
  weight: 2,
  batches: [10, 100],
  begin: (round) => {
    const { random } = round;
    const latencyMs = random.int(5, 300);
    const toxics: readonly Toxics[] = [
      { latencyMs, jitterMs: random.int(0, latencyMs) },
      { bytesPerSecond: random.int(20_000, 1_000_000) },
      { sliceBytes: random.int(100, 5_000) },
      { latencyMs: random.int(1, 50), bytesPerSecond: random.int(200_000, 2_000_000), sliceBytes: 4_000 },
    ];
    const drawn = random.pick(toxics);
    const part = random.pick(PARTS);
    spoil(round, part, random.pick(DIRECTIONS), drawn);
    return `${part.name}, ${JSON.stringify(drawn)}`;
  },
});

/** The broker stores batches, and its answers are lost. */
export const lostAnswers = makeFault({
  name: 'lost-answers',
  weight: 2,
  batches: [10, 60],
  begin: (round) => {
    const count = round.random.int(1, 4);
    const how = round.random.pick(['cut', 'cut', 'silent'] as const);
    for (const proxy of proxiesOf(round)) proxy.loseAnswers(count, how);
    return `${count} answers, ${how}`;
  },
  end: (round) => {
    for (const proxy of proxiesOf(round)) {
      proxy.loseAnswers(0, 'cut');
      // TCP keeps no connection that lost bytes.
      if (proxy.lost() > 0) proxy.cut('reset', { role: 'producer' });
    }
  },
});
