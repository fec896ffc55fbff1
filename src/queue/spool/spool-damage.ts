import type { DamageReport } from '../../disk/damage-report.ts';
import { type FileSystem, readFully } from '../../disk/file-system.ts';
import { lacksSector } from '../../disk/scan-log.ts';
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
  /** Of the last segment: its last write may not have finished. */
  readonly isLast?: boolean;
}): Promise<ScannedRest> {
  const { files, fd, path, report, position, size, sequence, isLast = false } = options;
  const offset = position - (position % SECTOR_BYTES);
  const bytes = await readFully(files, fd, size - offset, offset);
  const scan = scanBatches(bytes, { start: position - offset, first: sequence });
  const { entries, damage, nextNumber, tornBytes } = isLast ? withoutUnfinished(scan, bytes, sequence) : scan;
  const isKept = await report.tellRanges('spool', [{ path, damage, bytes, offset }], {
    corrected: 'an entry of the spool was damaged and could be corrected; nothing is lost',
    unreadable: 'an entry of the spool is damaged; its batch is lost',
  });
  const inFile = entries.map((entry) => ({ ...entry, fileEnd: offset + entry.end }));
  return { entries: inFile, nextSequence: nextNumber, tornBytes, isKept };
}

type Scan = ReturnType<typeof scanBatches>;

/**
 * A write of several entries that did not finish may have left later ones and not the first. All of them go: none was
 * acknowledged. It is the last write if an entry is missing in the gap, every entry after it belongs to it, and the gap has sectors that did not
 * reach the disk. In a write that was synced, the same would be damage, which has no sectors of zeros.
 */
function withoutUnfinished(scan: Scan, bytes: Buffer, first: number): Scan {
  for (const { start, end, isCorrected } of scan.damage) {
    if (isCorrected || !lacksSector(bytes, start, end)) continue;
    const before = scan.entries.filter((entry) => entry.end <= start);
    const after = scan.entries.slice(before.length);
    const missing = (before.at(-1)?.sequence ?? first - 1) + 1;
    if (
      after.length === 0 ||
      after.some(({ sequence, after: place }) => sequence === missing || sequence - place > missing)
    )
      continue;
    const damage = scan.damage.filter((range) => range.end <= start);
    return { entries: before, damage, end: start, nextNumber: missing, tornBytes: bytes.length - start };
  }
  return scan;
}
