import type { Log } from '../log.ts';
import type { AppendFiles } from './append-files.ts';
import type { CompressedHourFile, DataFile } from './data-files.ts';
import { encodeFrames } from './hour-frames.ts';
import type { CommittedState } from './state.ts';
import type { UnsyncedFiles } from './unsynced-files.ts';
import type { WaitingLines } from './waiting-lines.ts';

interface FrameWriterOptions {
  readonly state: CommittedState;
  readonly data: AppendFiles;
  readonly unsynced: UnsyncedFiles;
  readonly waiting: WaitingLines;
  /** Files that a failed write left longer than committed. */
  readonly uncut: Set<DataFile>;
  readonly durable: boolean;
  readonly log: Log;
}

/**
 * Makes frames of lines that wait. They are durable in the journal, so a frame is synced later, with the file's other bytes, and no entry
 * of the journal tells of it: the next one that names the file does. A start makes the same frame again from the journal.
 */
export class FrameWriter {
  readonly #options: FrameWriterOptions;

  constructor(options: FrameWriterOptions) {
    this.#options = options;
  }

  /** Between two commits. Lines that cannot be written go on waiting. Gives whether all were written. */
  async write(list: readonly CompressedHourFile[]): Promise<boolean> {
    const { waiting, log } = this.#options;
    let areWritten = true;
    for (const file of list) {
      if (waiting.bytesOf(file) === 0) continue;
      try {
        areWritten = (await this.#writeOne(file)) && areWritten;
      } catch (err) {
        areWritten = false;
        log.error('cannot write a frame of a compressed hour; its lines are safe in the journal', {
          file: file.path,
          err,
        });
      }
    }
    return areWritten;
  }

  /** Lines that wait take memory: some become frames before a commit brings `more` bytes of them. Rejects when they cannot. */
  async makeRoom(more: number): Promise<void> {
    const { waiting } = this.#options;
    const due = waiting.due({ more });
    if (due.length === 0 || (await this.write(due)) || !waiting.isFull(more)) return;
    throw new Error('too many lines of compressed hours wait, and cannot be written to their files');
  }

  async #writeOne(file: CompressedHourFile): Promise<boolean> {
    const { state, data, unsynced, waiting, uncut, durable } = this.#options;
    const position = state.length(file);
    // The next commit to it takes the file as another program left it.
    if (position === undefined || data.changeOf(file, position) !== undefined) return false;
    const { buffers, bytes, lines } = await encodeFrames(waiting.piecesOf(file), state.linesOf(file).framed);
    try {
      await data.makeRoom([file]);
      await data.write(file, buffers, position);
    } catch (error) {
      await data.cutBack(file, { committed: position, written: bytes, durable }).catch(() => uncut.add(file));
      if (unsynced.has(file)) unsynced.needsRestore = true;
      throw error;
    }
    state.setFrames(file, { length: position + bytes, lines: state.linesOf(file).framed + lines });
    waiting.delete(file);
    unsynced.add(file);
    unsynced.grew(bytes);
    return true;
  }
}
