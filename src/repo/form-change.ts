import { dirname } from 'node:path';
import { type FileSystem, removeIfThere } from '../disk/file-system.ts';
import type { CommitFiles, CommitJournal } from './commit-journal.ts';
import type { DataFile, HourDataFile } from './data-files.ts';
import type { FramesLength } from './frames-file.ts';
import type { HourForms } from './hour-forms.ts';

interface FormChangeOptions extends Pick<CommitFiles, 'state' | 'data' | 'unsynced' | 'uncut'> {
  readonly files: FileSystem;
  readonly durable: boolean;
  readonly forms: HourForms;
  readonly journal: CommitJournal;
  /** Makes the journal ready, and lets it know the file. */
  readonly adopt: (file: DataFile) => Promise<void>;
}

/** What the journal says of an hour while its plain file becomes a compressed one. All calls are made between two commits. */
export class FormChange {
  readonly #options: FormChangeOptions;
  #restoresBefore = 0;

  constructor(options: FormChangeOptions) {
    this.#options = options;
  }

  /** The committed length of a plain hour, which the journal knows from now on; undefined when it is not plain, or not there. */
  async begin(hour: HourDataFile): Promise<number | undefined> {
    const { state, forms, journal, adopt } = this.#options;
    if (state.removed.has(hour) || (await forms.find(hour)) !== hour) return undefined;
    await adopt(hour);
    this.#restoresBefore = journal.restores;
    return state.length(hour);
  }

  /**
   * The compressed file `from` has the hour's `bytes` of lines, synced: it takes the place of the plain one. False when more lines have
   * come, or another program changed the plain file; then nothing happens.
   */
  async end(
    hour: HourDataFile,
    { from, bytes, frames }: { readonly from: string; readonly bytes: number; readonly frames: FramesLength },
  ): Promise<boolean> {
    const { files, durable, state, data, unsynced, uncut, journal } = this.#options;
    const { compressed } = hour;
    // A sync has failed: the file may have been read without what that lost.
    if (unsynced.needsRestore || journal.restores !== this.#restoresBefore) return false;
    await journal.prepare();
    const isAsBefore = state.fileOf(hour) === hour && state.length(hour) === bytes;
    if (!isAsBefore || uncut.has(hour) || data.changeOf(hour, bytes) !== undefined) return false;
    await files.rename(from, compressed.path);
    try {
      if (durable) await files.syncFolder(dirname(compressed.path));
      const note = [compressed, frames.length, 0, { framed: frames.lines, logical: frames.lines }] as const;
      await journal.append({ seq: state.nextSeq, files: [note] }, []);
    } catch (error) {
      // A start that finds the entry needs the file. Otherwise the plain one counts.
      if (!journal.isInDoubt) await removeIfThere(files, compressed.path).catch(() => undefined);
      throw error;
    }
    journal.touch(compressed);
    await data.drop(hour);
    unsynced.delete(hour);
    return true;
  }

  /** Whether the hour has a plain file that does not count any more, and whose lines are all in the compressed one. */
  async isReplaced(hour: HourDataFile): Promise<boolean> {
    const { files, state, forms, adopt } = this.#options;
    const plain = files.statusAt(hour.path);
    if (plain === undefined || state.removed.has(hour) || (await forms.find(hour)) !== hour.compressed) return false;
    await adopt(hour.compressed);
    return state.fileOf(hour) === hour.compressed && state.linesOf(hour.compressed).logical >= plain.size;
  }
}
