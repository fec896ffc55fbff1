import { createDeploymentV1 } from './deployment-v1.ts';
import { runLife } from './life.ts';
import { makeLifeFolder } from './life-folder.ts';
import { planRounds } from './plan.ts';
import type { Fault, RoundResult } from './reliability.ts';

/**
 * For tests: a life of version 1 with these faults in its rounds. Gives its rounds, and throws with every problem. The folders are
 * removed when all went well.
 */
export async function runKeptLife(options: {
  readonly seed: number;
  readonly faults: readonly (readonly Fault[])[];
}): Promise<readonly RoundResult[]> {
  const plan = planRounds({ seed: options.seed, version: 1 }, options.faults);
  const folder = await makeLifeFolder(plan);
  const deployment = createDeploymentV1(folder.dirs);
  const { rounds, problems } = await runLife(plan, { deployment }).finally(() => deployment.dispose());
  const broken = rounds.flatMap(({ number, faults, problems: all }) =>
    all.map((problem) => `round ${number} (${faults.join(' + ')}): ${problem}`),
  );
  const all = [...broken, ...problems];
  if (all.length > 0)
    throw new Error(`seed ${options.seed}; the data is left in ${folder.dirs.root}\n${all.join('\n')}`);
  await folder.remove();
  return rounds;
}
