import { expect, it } from 'vitest';
import { createSteps } from './steps.ts';

it('lets one of all that wait go on in each turn, in order', async () => {
  const nextStep = createSteps();
  const seen: string[] = [];
  const run = async (name: string, steps: number) => {
    for (let step = 0; step < steps; step++) {
      await nextStep();
      seen.push(name);
    }
  };
  const turn = async () => {
    await new Promise(setImmediate);
    seen.push('|');
  };
  const all = Promise.all([run('a', 3), run('b', 2), run('c', 1)]);
  for (let i = 0; i < 6; i++) await turn();
  await all;
  expect(seen.join('')).toBe('a|b|c|a|b|a|');
});

it('goes on after all have ended', async () => {
  const nextStep = createSteps();
  await nextStep();
  await Promise.all([nextStep(), nextStep()]);
});
