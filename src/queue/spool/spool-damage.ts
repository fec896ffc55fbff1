import type { DamageReport } from '../../disk/damage-report.ts';
import { type FileSystem, readFully } from '../../disk/file-system.ts';
import { type ScannedBatch, scanBatches } from './spool-format.ts';

/** The scan tells lost sectors by their place in the file. */
const SECTOR_BYTES = 512;

export interface ScannedRest {
  readonly entries: readonly (ScannedBatch & { readonly fileEnd: number })[];
  readonly nextSequence: number;
  readonly tornBytes: number;
  /** What is damaged is kept elsewhere too. */
  readonly isKept: boolean;
}

/**
 * Reads a segment on from `position`, where no valid entry stands. Tells of damage and keeps its bytes. Takes the rest of
 * the segment into memory at once, which only damage makes necessary.
 */
export async function scanRest(options: {
  readonly files: FileSystem;
  readonly fd: number;
  readonly path: string;
  readonly report: DamageReport;
  readonly position: number;
  readonly size: number;
  /** Of the entry at `position`. */
  readonly sequence: number;
}): Promise<ScannedRest> {
  const { files, fd, path, report, position, size, sequence } = options;
  const offset = position - (position % SECTOR_BYTES);
  const bytes = await readFully(files, fd, size - offset, offset);
  const { entries, damage, nextNumber, tornBytes } = scanBatches(bytes, { start: position - offset, first: sequence });
  const isKept = await report.tellRanges('spool', [{ path, damage, bytes, offset }], {
    corrected: 'an entry of the spool was damaged and could be corrected; nothing is lost',
    unreadable: 'an entry of the spool is damaged; its batch is lost',
  });
  const inFile = entries.map((entry) => ({ ...entry, fileEnd: offset + entry.end }));
  return { entries: inFile, nextSequence: nextNumber, tornBytes, isKept };
}
