import { describe, expect, onTestFinished, test } from 'vitest';
import { checkInput, describeFault, fuzzTarget, keptInputs, simplify } from './engine.ts';
import { TARGETS } from './targets.ts';

/*
 * A short fuzz of every target: the kept inputs, one seed that is always the same, and one that is new in each run. `make fuzz` goes on for
 * as long as it is told. A failing seed, given again as FUZZ_SEED, makes the same inputs.
 */
const SECONDS = 1;
const FIXED_SEED = 20_251_122;
const NEW_SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));

describe.each(TARGETS)('$name', (target) => {
  const kept = keptInputs(target.name);
  test(`keeps its promises on ${kept.size} kept inputs`, async () => {
    onTestFinished(() => target.close?.());
    const faults: string[] = [];
    for (const [name, input] of kept) {
      const error = await checkInput(target, input);
      if (error !== undefined) faults.push(`${name}: ${error}`);
    }
    expect(faults).toEqual([]);
  });

  test.each([
    ['the fixed seed', FIXED_SEED],
    [`the new seed ${NEW_SEED}`, NEW_SEED],
  ])('keeps its promises on inputs of %s', async (_, seed) => {
    onTestFinished(() => target.close?.());
    const { runs, fault } = await fuzzTarget({ target, seed, runs: Math.ceil(target.runsPerSecond * SECONDS) });
    const found = fault && describeFault(await simplify(target, fault));
    expect([runs > 0, found]).toEqual([true, undefined]);
  });
});
