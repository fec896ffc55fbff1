import { UnavailableError } from '../model/deliver.ts';
import type { DataFiles } from './data-files.ts';
import type { Pending } from './pending.ts';
import type { RemovedHours } from './removed-hours.ts';

const RETRY_AFTER_SECONDS = 5;

interface Waiting extends Pending {
  /** As `performance.now()` has it. */
  readonly since: number;
  reject(error: unknown): void;
}

/**
 * Refuses the batches of a group that have waited too long, and those with an hour that retention removed since they were decoded. Gives the
 * others. The storage is not at fault, so nobody takes these for failures of it.
 */
export function refuseWaiting<W extends Waiting>(
  group: readonly W[],
  about: { readonly maxWaitMs: number; readonly dataFiles: DataFiles; readonly removed: RemovedHours },
): readonly W[] {
  const { maxWaitMs, dataFiles, removed } = about;
  const earliest = performance.now() - maxWaitMs;
  return group.filter(({ batch, since, reject }) => {
    try {
      if (since < earliest) throw new UnavailableError(`no commit began within ${maxWaitMs} ms`, RETRY_AFTER_SECONDS);
      if (!removed.isEmpty) removed.refuse(batch.map((chunk) => dataFiles.ofHour(chunk)));
      return true;
    } catch (error) {
      reject(error);
      return false;
    }
  });
}
