import type { DamageReport } from '../disk/damage-report.ts';
import type { FileSystem } from '../disk/file-system.ts';
import type { CompressedHourFile, HourDataFile } from './data-files.ts';
import type { HourForms } from './hour-forms.ts';
import type { ChangedHour, CommittedHour, HourDamage } from './repo.ts';
import type { CommittedState } from './state.ts';
import type { UnsyncedFiles } from './unsynced-files.ts';
import type { WaitingLines } from './waiting-lines.ts';

interface CommittedHoursOptions {
  readonly files: FileSystem;
  readonly state: CommittedState;
  readonly forms: HourForms;
  readonly waiting: WaitingLines;
  readonly unsynced: UnsyncedFiles;
  readonly report: DamageReport;
}

/** What readers may read: the committed part of each hour, whatever its form. */
export class CommittedHours {
  readonly #options: CommittedHoursOptions;

  constructor(options: CommittedHoursOptions) {
    this.#options = options;
  }

  /** The hours that are longer than the aggregator's cursor, and those whose file is gone: `missing`. */
  changed(): { readonly hours: readonly ChangedHour[]; readonly missing: readonly HourDataFile[] } {
    const { state, files } = this.#options;
    const hours: ChangedHour[] = [];
    const missing: HourDataFile[] = [];
    for (const reference of state.changedHours()) {
      const { stream, hour, path, compressed } = reference;
      const bytes = state.logicalLength(reference);
      // The file was shortened by hand: the journal no longer has its length.
      const found = bytes ?? files.statusAt(path)?.size ?? files.statusAt(compressed.path)?.size;
      if (found === undefined) missing.push(reference);
      else hours.push({ stream, hour, path, bytes: found });
    }
    return { hours, missing };
  }

  /** A reader found it. Tells of it once for each place. */
  async reportDamage(hour: HourDataFile, { offset, bytes, position, reason: why }: HourDamage): Promise<void> {
    const { state, report } = this.#options;
    // Retention removed it while it was read.
    if (state.removed.has(hour)) return;
    const { path } = state.fileOf(hour) ?? (await this.#options.forms.find(hour)) ?? hour;
    const reason = 'a part of an hour cannot be read; the rest of it can';
    await report.tell({ kind: 'hours', file: path, offset: position, bytes, reason }, undefined, {
      lines: offset,
      why,
    });
  }

  /** Whether a failed sync may have lost committed bytes of the hour's file: it must not be read before they are written again. */
  mustBeRestored(hour: HourDataFile): boolean {
    const { state, unsynced } = this.#options;
    const file = state.fileOf(hour);
    return file !== undefined && unsynced.mayHaveLost(file);
  }

  /** Undefined where there is none. Rejects with ForeignHourError for a file that logforge did not write. */
  async find(hour: HourDataFile): Promise<CommittedHour | undefined> {
    const file = await this.#options.forms.find(hour);
    return file && this.read(file);
  }

  /** What a file of an hour has: all of it where the journal does not say. */
  async read(file: HourDataFile | CompressedHourFile): Promise<CommittedHour | undefined> {
    const { files, state, forms, waiting } = this.#options;
    const status = files.statusAt(file.path);
    if (status === undefined) return undefined;
    const { stream, hour } = file.kind === 'hour' ? file : file.of;
    const at = { stream, hour, path: file.path };
    const length = state.length(file);
    if (file.kind === 'hour') return { ...at, bytes: length ?? status.size };
    if (length === undefined) {
      const frames = await forms.framesIn(file.path, status.size);
      return { ...at, bytes: frames.lines, frames };
    }
    // In one turn: a frame may be written meanwhile.
    const { framed, logical } = state.linesOf(file);
    const lines = waiting.copyOf(file);
    return { ...at, bytes: logical, frames: { length, lines: framed }, ...(lines && { waiting: lines }) };
  }
}
