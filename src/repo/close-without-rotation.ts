import type { CommitterOptions } from './committer-options.ts';
import type { SegmentedJournal } from './segmented-journal.ts';
import type { UnsyncedFiles } from './unsynced-files.ts';

/** The end of a stop that cannot begin a segment. The journal has all that was answered, if it is where a start finds it. If not, the files must have it. */
export async function closeWithoutRotation(
  parts: Pick<CommitterOptions, 'log' | 'durable' | 'stateDir'> & {
    readonly journal: Pick<SegmentedJournal, 'isInPlace'>;
    readonly unsynced: UnsyncedFiles;
  },
  cause: unknown,
): Promise<void> {
  const { log, durable, stateDir, journal, unsynced } = parts;
  const isKept = journal.isInPlace();
  try {
    if (!durable || !isKept) await unsynced.sync(unsynced.list);
  } catch (error) {
    const loss = `cannot sync at the stop; answered records may be lost stateDir=${stateDir}`;
    if (!isKept) throw new Error(loss, { cause: error });
  }
  const message = 'cannot begin a new journal segment at the stop; the next start reads the present one';
  log.warn(message, { stateDir, err: cause });
}
