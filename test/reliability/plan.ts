import { createRandom, type Random } from '../support/random.ts';
import type { Fault, LifePlan, RoundPlan, ServiceStart, Version } from './reliability.ts';

/** What lives are drawn from. */
export interface PlanOptions {
  readonly seed: number;
  readonly version: Version;
  /** All faults that can be drawn. */
  readonly faults: readonly Fault[];
}

const ROUNDS_A_LIFE = 12;
const KILLED_WHILE_STARTING = 0.15;
const KILL_START_AFTER_MS = 500;
const TWO_FAULTS = 0.35;
const OTHER_CONFIGURATION = 0.4;

/** Draws a life. Lives do not depend on each other. */
export function planLife({ seed, version, faults }: PlanOptions, life: number): LifePlan {
  const random = createRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(life, 0x85ebca6b) ^ version);
  const mine = chooseForLife(faults, version, random);
  if (mine.length === 0) throw new Error(`no fault for version ${version} is left to draw`);
  const rounds: RoundPlan[] = [];
  let start = drawStart(random);
  for (let number = 1; number <= ROUNDS_A_LIFE; number++) {
    const drawn = drawFaults(mine, random);
    if (random.chance(OTHER_CONFIGURATION)) start = drawStart(random);
    rounds.push({
      number,
      seed: random.int(0, 2 ** 31 - 1),
      faults: drawn,
      killStartAfterMs: random.chance(KILLED_WHILE_STARTING) ? random.int(0, KILL_START_AFTER_MS) : undefined,
      start: drawn.reduce((sum, { needs }) => (needs === undefined ? sum : join(sum, needs(random))), start),
    });
  }
  return { seed, life, version, rounds };
}

/** A life with these faults in its rounds, in this order: for tests that keep a fault. */
export function planRounds(
  { seed, version }: Pick<PlanOptions, 'seed' | 'version'>,
  faults: readonly (readonly Fault[])[],
): LifePlan {
  const random = createRandom(seed);
  const rounds = faults.map((drawn, index): RoundPlan => {
    const start = drawn.reduce(
      (sum, { needs }) => (needs === undefined ? sum : join(sum, needs(random))),
      drawStart(random),
    );
    const killStartAfterMs = random.chance(KILLED_WHILE_STARTING) ? random.int(0, KILL_START_AFTER_MS) : undefined;
    return { number: index + 1, seed: random.int(0, 2 ** 31 - 1), faults: drawn, killStartAfterMs, start };
  });
  return { seed, life: 0, version, rounds };
}

/** At most one fault that prepares the folder of the life. */
function chooseForLife(faults: readonly Fault[], version: Version, random: Random): Fault[] {
  const all = faults.filter(({ versions }) => versions.includes(version));
  const preparing = all.filter(({ prepare }) => prepare !== undefined);
  const chosen = preparing.length > 0 ? random.pick(preparing) : undefined;
  return all.filter((fault) => fault.prepare === undefined || fault === chosen);
}

function drawFaults(faults: readonly Fault[], random: Random): Fault[] {
  const first = drawByWeight(faults, random);
  if (first.kind === 'alone' || !random.chance(TWO_FAULTS)) return [first];
  const others = faults.filter(
    ({ name, kind }) => name !== first.name && kind !== 'alone' && !(kind === 'ends' && first.kind === 'ends'),
  );
  return others.length === 0 ? [first] : [first, drawByWeight(others, random)];
}

function drawByWeight(faults: readonly Fault[], random: Random): Fault {
  let place = random.next() * faults.reduce((sum, { weight }) => sum + weight, 0);
  for (const fault of faults) {
    place -= fault.weight;
    if (place < 0) return fault;
  }
  return random.pick(faults);
}

/** A folder of data may be owned by a differently configured service at every start. */
function drawStart(random: Random): ServiceStart {
  return {
    env: {
      LOGFORGE_STORAGE_DURABILITY: random.pick(['disk', 'os']),
      LOGFORGE_SERVER_THREADS: random.pick(['1', '1', '2']),
      LOGFORGE_AGGREGATION_INTERVAL: random.pick(['100ms', '1s']),
    },
  };
}

function join(one: ServiceStart, other: ServiceStart): ServiceStart {
  return {
    env: { ...one.env, ...other.env },
    wrapper: [...(one.wrapper ?? []), ...(other.wrapper ?? [])],
    preload: [...new Set([...(one.preload ?? []), ...(other.preload ?? [])])],
  };
}
