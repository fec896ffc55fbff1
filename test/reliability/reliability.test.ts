import { describe, expect, it } from 'vitest';
import { createDeploymentV1 } from './deployment-v1.ts';
import { duplicates, repeatAfterKill } from './faults/duplicates.ts';
import { freeze } from './faults/freeze.ts';
import { hangUps } from './faults/hang-ups.ts';
import { hostile } from './faults/hostile.ts';
import { killAfterAnswer, killUnderLoad, killWhileStopping } from './faults/kill.ts';
import { stopTwice, stopUnderLoad } from './faults/stop.ts';
import { FAULTS } from './faults.ts';
import { runKeptLife } from './kept-life.ts';
import { planLife } from './plan.ts';
import type { Fault } from './reliability.ts';

/** Other tests share the processors, so the clients are not timed here. `make reliability` and `make attack` time them. */
const { honestP99Milliseconds: _limit, ...untimed } = hostile;
const hostileUntimed: Fault = {
  ...untimed,
  async strike(round) {
    round.allow({ statuses: [503] });
    await hostile.strike(round);
  },
};

describe('a short life of version 1', () => {
  it('keeps every promise through kills', async () => {
    const rounds = await runKeptLife({
      seed: 11,
      faults: [
        [killUnderLoad],
        [killAfterAnswer, hangUps],
        [killWhileStopping],
        [repeatAfterKill],
        [killUnderLoad, duplicates],
      ],
    });
    expect(rounds.reduce((sum, { figures }) => sum + figures.kills, 0)).toBeGreaterThanOrEqual(5);
  });

  it('keeps every promise through kills when hours are compressed, and when every second start stores them plain', async () => {
    const rounds = await runKeptLife({
      seed: 13,
      faults: [[killUnderLoad], [killAfterAnswer], [killUnderLoad]],
      deploy: (dirs) => createDeploymentV1(dirs, 'mixed'),
    });
    expect(rounds.reduce((sum, { figures }) => sum + figures.kills, 0)).toBeGreaterThanOrEqual(3);
  });

  it('keeps every promise through stops, a freeze and hostile clients', async () => {
    const rounds = await runKeptLife({ seed: 12, faults: [[stopUnderLoad], [freeze], [hostileUntimed], [stopTwice]] });
    expect(rounds.reduce((sum, { figures }) => sum + figures.stops, 0)).toBe(2);
  });
});

describe('a plan', () => {
  const describeLife = (seed: number, life: number) =>
    JSON.stringify(planLife({ seed, version: 1, faults: FAULTS }, life));

  it('is the same for the same seed and life, and another for another one', () => {
    expect(describeLife(1, 3)).toBe(describeLife(1, 3));
    expect(new Set([describeLife(1, 3), describeLife(1, 4), describeLife(2, 3)]).size).toBe(3);
  });

  it('draws every fault of version 1, at most one that ends the service, and one alone that wants to be', () => {
    const lives = Array.from({ length: 60 }, (_, life) => planLife({ seed: 5, version: 1, faults: FAULTS }, life));
    const rounds = lives.flatMap((life) => life.rounds);
    const drawn = new Set(rounds.flatMap(({ faults }) => faults.map(({ name }) => name)));
    const mine = FAULTS.filter(({ versions }) => versions.includes(1)).map(({ name }) => name);
    expect([...drawn].sort()).toEqual(mine.sort());
    for (const { faults } of rounds) {
      expect(faults.filter(({ kind }) => kind === 'ends').length).toBeLessThanOrEqual(1);
      if (faults.some(({ kind }) => kind === 'alone')) expect(faults).toHaveLength(1);
    }
  });

  it('has faults with names of their own', () => {
    expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length);
  });
});
