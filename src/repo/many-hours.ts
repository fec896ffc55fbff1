import type { Deliver } from '../model/deliver.ts';
import type { Committer } from './commit.ts';
import type { DataFiles } from './data-files.ts';

/** A batch over more hours than this is prepared, so many hours at a time. */
export const MANY_HOURS = 64;

/**
 * Stores batches over many hours. To make a file takes a third of a millisecond, so a commit over 900 new hours held up all
 * others for 300 ms, and for a second on a busy machine. So their files are opened or made before, some at a time, between
 * the commits of others. Such a batch may be stored after batches that came later.
 */
export function prepareManyHours(parts: {
  readonly deliver: Deliver;
  /** Runs work between two commits. */
  readonly between: <T>(work: () => Promise<T>) => Promise<T>;
  readonly committer: Pick<Committer, 'prepare'>;
  readonly dataFiles: DataFiles;
  readonly isClosing: () => boolean;
}): Deliver {
  const { deliver, between, committer, dataFiles, isClosing } = parts;

  return async function deliverPrepared(batch, note) {
    const undos: (() => Promise<void>)[] = [];
    for (let from = 0; from < batch.length && !isClosing(); from += MANY_HOURS) {
      const files = batch.slice(from, from + MANY_HOURS).map((chunk) => dataFiles.ofHour(chunk));
      // What fails here fails again in the commit, which tells why.
      const undo = await between(() => committer.prepare(files)).catch(() => undefined);
      if (undo !== undefined) undos.push(undo);
    }
    try {
      return await deliver(batch, note);
    } catch (error) {
      for (const undo of undos) if (!isClosing()) await between(undo);
      throw error;
    }
  };
}
