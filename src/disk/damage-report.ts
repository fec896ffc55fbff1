import { readFileSync } from 'node:fs';
import { basename, dirname, extname } from 'node:path';
import type { Clock } from '../model/clock.ts';
import type { DamageKind } from '../model/damage-kinds.ts';
import { type Damage, DamagedFiles } from './damaged-files.ts';
import type { DamagedRange } from './scan-log.ts';

/** Of one file. More are counted, and said in one line. */
const MAX_TOLD_RANGES = 100;
const MAX_TOLD = 10_000;

/** A file in which ranges are damaged. */
export interface DamagedLog {
  readonly path: string;
  readonly damage: readonly DamagedRange[];
  /** What `damage` counts in, when it was read already, and where in the file it begins. */
  readonly bytes?: Buffer;
  readonly offset?: number;
}

export interface DamageReportOptions {
  readonly stateDir: string;
  readonly count: (kind: DamageKind, places: number) => void;
  readonly clock: Clock;
  readonly log: { error(message: string, fields?: Readonly<Record<string, unknown>>): void };
}

/** Tells of damage: keeps the bytes, logs an error, counts, and notes it for /ready. */
export class DamageReport {
  readonly #damaged: DamagedFiles;
  readonly #options: DamageReportOptions;
  /** Damage that was told in this run, and whether its bytes are kept. A reader may come to the same place again. */
  readonly #told = new Map<string, boolean>();

  constructor(options: DamageReportOptions) {
    this.#damaged = new DamagedFiles(options.stateDir);
    this.#options = options;
  }

  /** Resolves true when `found`, if there is any, is kept: then it may be removed from where it stands. */
  async tell(damage: Damage, found?: Buffer, fields: Readonly<Record<string, unknown>> = {}): Promise<boolean> {
    const id = `${damage.file} ${damage.offset} ${damage.reason}`;
    const before = this.#told.get(id);
    if (before !== undefined) return before;
    const { log, count, clock } = this.#options;
    const kept = found === undefined ? undefined : await this.#keep(damage, found);
    const { reason, ...where } = damage;
    log.error(reason, {
      ...where,
      ...fields,
      ...(kept !== undefined && { kept }),
      do: 'stop the service, and run logforge verify',
    });
    count(damage.kind, 1);
    const time = new Date(clock()).toISOString();
    try {
      await this.#damaged.note({ time, ...damage, ...(kept !== undefined && { kept }) });
    } catch (err) {
      log.error('cannot note damage; /ready does not name it', { folder: this.#damaged.folder, err });
    }
    const isKept = found === undefined || kept !== undefined;
    if (this.#told.size < MAX_TOLD) this.#told.set(id, isKept);
    return isKept;
  }

  /**
   * Tells of the damaged ranges of write-ahead logs, in which some entries could be corrected and others not. Resolves true
   * when the bytes of all ranges are kept.
   */
  async tellRanges(kind: Damage['kind'], damagedLogs: readonly DamagedLog[], reasons: RangeReasons): Promise<boolean> {
    let areKept = true;
    for (const { path, damage, offset = 0, bytes: read } of damagedLogs) {
      if (damage.length === 0) continue;
      const bytes = read ?? readFileSync(path);
      for (const { start, end, isCorrected } of damage.slice(0, MAX_TOLD_RANGES)) {
        const reason = isCorrected ? reasons.corrected : reasons.unreadable;
        const where = { kind, file: path, offset: offset + start, bytes: end - start };
        areKept = (await this.tell({ ...where, reason }, bytes.subarray(start, end))) && areKept;
      }
      if (damage.length > MAX_TOLD_RANGES) {
        areKept = false;
        this.#options.log.error('a file is damaged in many places; the others are not listed', {
          file: path,
          count: damage.length,
        });
      }
    }
    return areKept;
  }

  async #keep({ file, offset }: Damage, found: Buffer): Promise<string | undefined> {
    const { log } = this.#options;
    const { folder } = this.#damaged;
    try {
      const kept = await this.#damaged.keep(nameOf(file), offset, found);
      if (kept === undefined) log.error('the folder of damaged bytes is full; they are not kept', { folder, file });
      return kept;
    } catch (err) {
      log.error('cannot keep damaged bytes', { folder, file, err });
      return undefined;
    }
  }
}

export interface RangeReasons {
  readonly corrected: string;
  readonly unreadable: string;
}

/** Hour files have the same name in every day folder. */
function nameOf(file: string): string {
  const isHour = extname(file) === '.json';
  return isHour ? `${basename(dirname(file))}-${basename(file)}` : basename(file);
}
