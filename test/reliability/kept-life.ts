import type { Dirs } from '../support/service.ts';
import { createDeploymentV1 } from './deployment-v1.ts';
import { runLife } from './life.ts';
import { makeLifeFolder } from './life-folder.ts';
import { planRounds } from './plan.ts';
import type { Deployment, Fault, RoundResult, Version } from './reliability.ts';

/**
 * For tests: a life, of version 1 unless the options say otherwise, with these faults in its rounds. Gives its rounds, and throws with every problem. The folders are
 * removed when all went well.
 */
export async function runKeptLife(options: {
  readonly seed: number;
  readonly faults: readonly (readonly Fault[])[];
  readonly version?: Version;
  readonly deploy?: (dirs: Dirs) => Deployment | Promise<Deployment>;
}): Promise<readonly RoundResult[]> {
  const { seed, version = 1, deploy = (dirs: Dirs) => createDeploymentV1(dirs) } = options;
  const plan = planRounds({ seed, version }, options.faults);
  const folder = await makeLifeFolder(plan);
  const deployment = await deploy(folder.dirs);
  const { rounds, problems } = await runLife(plan, { deployment }).finally(() => deployment.dispose());
  const broken = rounds.flatMap(({ number, faults, problems: all }) =>
    all.map((problem) => `round ${number} (${faults.join(' + ')}): ${problem}`),
  );
  const all = [...broken, ...problems];
  if (all.length > 0) throw new Error(`seed ${seed}; the data is left in ${folder.dirs.root}\n${all.join('\n')}`);
  await folder.remove();
  return rounds;
}
