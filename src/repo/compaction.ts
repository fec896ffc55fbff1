import { type FileSystem, removeIfThere } from '../disk/file-system.ts';
import type { StreamHour } from '../model/hour.ts';
import type { Committer } from './commit.ts';
import type { DataFiles } from './data-files.ts';
import { packHour } from './hour-packer.ts';
import { deleteFile } from './hours-on-disk.ts';
import type { Compaction } from './repo.ts';

/** A file that is being compressed: nobody else reads or counts it. */
const UNFINISHED = '.new';

/**
 * Makes compressed hours of plain ones while the service runs:
 *
 * 1. between two commits: the journal gets to know the plain hour, if it does not;
 * 2. beside the commits: its lines go to `HH.log.json.zst.new`, synced;
 * 3. between two commits: that gets the name `HH.log.json.zst`, synced, and a journal entry has the hour in its new form;
 * 4. the plain file is deleted in steps.
 *
 * Before the entry the compressed file does not count, after it the plain one does not. So a kill at any step costs work only: what it
 * leaves is deleted when the hour is looked at again.
 */
export function createCompaction(parts: {
  readonly committer: Pick<Committer, 'formChange'>;
  readonly dataFiles: DataFiles;
  readonly files: FileSystem;
  readonly durable: boolean;
  readonly between: <T>(work: () => Promise<T>) => Promise<T>;
  readonly pause: (ms: number) => Promise<void>;
}): Compaction {
  const { formChange } = parts.committer;
  const { dataFiles, files, durable, between, pause } = parts;

  async function compress(at: StreamHour, signal: AbortSignal) {
    const hour = dataFiles.ofHour(at);
    const target = `${hour.compressed.path}${UNFINISHED}`;
    const bytes = await between(() => formChange.begin(hour));
    if (bytes === undefined) return undefined;
    try {
      const frames = await packHour({ files, source: hour.path, target, bytes, durable, pause, signal });
      const isDone = await between(() => formChange.end(hour, { from: target, bytes, frames }));
      if (!isDone) return undefined;
      await deleteFile(files, hour.path);
      return { from: bytes, to: frames.length };
    } finally {
      await removeIfThere(files, target);
    }
  }

  async function clean(at: StreamHour): Promise<void> {
    const hour = dataFiles.ofHour(at);
    await removeIfThere(files, `${hour.compressed.path}${UNFINISHED}`);
    if (await between(() => formChange.isReplaced(hour))) await deleteFile(files, hour.path);
  }

  return { compress, clean };
}
