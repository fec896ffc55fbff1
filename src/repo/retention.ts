import { type FileSystem, removeIfThere } from '../disk/file-system.ts';
import { parseHour } from '../model/hour.ts';
import type { Committer } from './commit.ts';
import type { DataFiles } from './data-files.ts';
import type { Retention } from './repo.ts';
import type { CommittedState } from './state.ts';

/** Removes what is stored, between the commits of others. */
export function createRetention(parts: {
  readonly committer: Pick<Committer, 'remove'>;
  readonly state: CommittedState;
  readonly dataFiles: DataFiles;
  readonly files: FileSystem;
  /** Runs work between two commits. */
  readonly between: <T>(work: () => Promise<T>) => Promise<T>;
}): Retention {
  const { committer, state, dataFiles, files, between } = parts;
  return {
    firstHour: (stream) => state.removed.firstHour(stream),

    removeHours: (upTo, mayGo = () => true) =>
      between(async () => {
        if (!mayGo()) return false;
        const file = dataFiles.ofHour(upTo);
        if (!state.removed.has(file)) await committer.remove(file);
        return true;
      }),

    between,

    // Removing an hour removes those of its stream before it, also one whose first record came after a listing.
    hasUnsummarised: ({ stream, hour }) =>
      state.changedHours().some((changed) => changed.stream === stream && changed.hour <= hour),

    async deadLetterDays() {
      const days = (await dataFiles.listDeadLetters()).map(({ name }) => name.slice('dlq/'.length));
      return days.filter((day) => parseHour(`${day}T00`) !== undefined);
    },

    // The file goes before the next commit: that one may bring a dead letter of the same day, which belongs into a new file.
    removeDeadLetters: (day) =>
      between(async () => {
        const file = dataFiles.ofDeadLetterDay(day);
        if (files.statusAt(file.path)?.isFile !== true) return;
        await committer.remove(file);
        await removeIfThere(files, file.path);
      }),
  };
}
