import { dirname } from 'node:path';
import { type FileSystem, removeIfThere } from '../disk/file-system.ts';
import type { CommitFiles, CommitJournal } from './commit-journal.ts';
import type { CompressedHourFile, DataFile, HourDataFile } from './data-files.ts';
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

/** A plain hour as it was when compressing began. */
export interface PlainState {
  /** Committed length of its file. */
  readonly bytes: number;
  /** When its file was last written: another program may change bytes in place. */
  readonly modified: number;
  /** Of the journal: after a restore, the file may have been read without what a failed sync lost. */
  readonly restores: number;
}

/** What the journal says of an hour while its plain file becomes a compressed one. All calls are made between two commits. */
export class FormChange {
  readonly #options: FormChangeOptions;

  constructor(options: FormChangeOptions) {
    this.#options = options;
  }

  /**
   * A plain hour, which the journal knows from now on; undefined when it is not plain, or not there. Rejects when something that logforge
   * did not write is in the place of its compressed file.
   */
  async begin(hour: HourDataFile): Promise<PlainState | undefined> {
    const { files, state, forms, journal, adopt } = this.#options;
    if (state.removed.has(hour) || (await forms.find(hour)) !== hour) return undefined;
    await this.#checkPlace(hour.compressed);
    await adopt(hour);
    const bytes = state.length(hour);
    const found = files.statusAt(hour.path);
    if (bytes === undefined || found === undefined) return undefined;
    return { bytes, modified: found.modified, restores: journal.restores };
  }

  /** An older compressed form of the hour may be replaced, but nobody else's file. */
  async #checkPlace({ path }: CompressedHourFile): Promise<void> {
    const { files, forms } = this.#options;
    const found = files.statusAt(path);
    if (found === undefined) return;
    if (!found.isFile) throw new Error(`cannot compress to file=${path}: it is not a regular file; move it away`);
    await forms.framesIn(path, found.size);
  }

  /**
   * The compressed file `from` has the hour's lines, synced: it takes the place of the plain one. False when more lines have come, when the
   * hour was removed, or another program changed the plain file; then nothing happens.
   */
  async end(
    hour: HourDataFile,
    { from, before, frames }: { readonly from: string; readonly before: PlainState; readonly frames: FramesLength },
  ): Promise<boolean> {
    const { files, durable, state, data, unsynced, journal } = this.#options;
    const { compressed } = hour;
    if (unsynced.needsRestore || !(await this.#isAsBefore(hour, before))) return false;
    await this.#checkPlace(compressed);
    await files.rename(from, compressed.path);
    try {
      if (durable) await files.syncFolder(dirname(compressed.path));
      // From now on this file is the one that commits compare.
      await data.openAnew(compressed);
      await data.drop(compressed);
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

  async #isAsBefore(hour: HourDataFile, { bytes, modified, restores }: PlainState): Promise<boolean> {
    const { files, state, data, uncut, journal, adopt } = this.#options;
    const isChanged = () =>
      data.changeOf(hour, bytes) !== undefined || files.statusAt(hour.path)?.modified !== modified;
    await journal.prepare();
    if (state.removed.has(hour) || uncut.has(hour) || isChanged()) return false;
    // The segments that knew it may have gone: an hour of some gigabytes takes a while.
    if (state.fileOf(hour) === undefined) await adopt(hour);
    const isKnown = state.fileOf(hour) === hour && state.length(hour) === bytes;
    return isKnown && !isChanged() && journal.restores === restores;
  }

  /** The form of the hour that does not count, where there are both. From now on the journal knows the one that counts. */
  async findOther(hour: HourDataFile): Promise<HourDataFile | CompressedHourFile | undefined> {
    const { files, state, forms, adopt } = this.#options;
    const counting = state.removed.has(hour) ? undefined : await forms.find(hour);
    if (counting === undefined) return undefined;
    const other = counting === hour ? hour.compressed : hour;
    if (files.statusAt(other.path)?.isFile !== true) return undefined;
    await adopt(counting);
    return state.fileOf(hour) === counting ? other : undefined;
  }
}
