import { type Dirs, makeDirs, removeDirs } from '../support/service.ts';
import type { LifePlan } from './reliability.ts';

/** The folders of a life, in a folder that one of its faults prepared. */
export interface LifeFolder {
  readonly dirs: Dirs;
  /** Undoes what the fault prepared, and removes everything. */
  remove(): Promise<void>;
}

export async function makeLifeFolder({ rounds }: LifePlan): Promise<LifeFolder> {
  const preparing = rounds.flatMap(({ faults }) => faults).find(({ prepare }) => prepare !== undefined);
  const outer = await makeDirs('logforge-reliability-');
  const undo = await preparing?.prepare?.(outer.root);
  return {
    dirs: undo === undefined ? outer : await makeDirs('life-', outer.root),
    async remove() {
      await undo?.();
      await removeDirs(outer);
    },
  };
}
