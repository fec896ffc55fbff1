import type { DamageReport } from '../disk/damage-report.ts';
import { type FileSystem, readFully, writeFully } from '../disk/file-system.ts';
import { BYTES } from '../model/bytes.ts';

const READ_BYTES = 64 * 1024;
/** A hole at the end of a file is read in steps of this length. */
const ZEROS_STEP = 1024 * 1024;
/** A longer piece of a line is not copied: it stays in the file. */
const MAX_PIECE_BYTES = 64 * 1024 * 1024;

/**
 * Ends a data file after its last whole line, when the journal cannot say where it ends. What follows that line is a piece
 * of a line: it is moved to the damaged files. Gives the length of the file. `from` is known to be the end of a line.
 */
export async function keepWholeLines(options: {
  readonly files: FileSystem;
  readonly path: string;
  readonly from: number;
  readonly size: number;
  readonly report: DamageReport;
}): Promise<number> {
  const { files, path, from, size, report } = options;
  const fd = await files.open(path);
  try {
    const end = await endOfLastLine({ files, fd, from, size });
    if (end === size) return size;
    const piece = size - end <= MAX_PIECE_BYTES ? await readFully(files, fd, size - end, end) : undefined;
    const reason = 'a line without its end was moved out of a data file';
    const isKept = await report.tell({ kind: 'hours', file: path, offset: end, bytes: size - end, reason }, piece);
    if (isKept && piece !== undefined) {
      await files.truncate(path, end);
      return end;
    }
    // It cannot be kept elsewhere, so it becomes a line that is not valid.
    await writeFully(files, fd, [Buffer.from('\n')], size);
    return size + 1;
  } finally {
    await files.close(fd);
  }
}

async function endOfLastLine(options: {
  readonly files: FileSystem;
  readonly fd: number;
  readonly from: number;
  readonly size: number;
}): Promise<number> {
  const { files, fd, from, size } = options;
  for (let end = size; end > from; ) {
    const start = Math.max(from, end - READ_BYTES);
    const found = (await readFully(files, fd, end - start, start)).lastIndexOf(BYTES.NEWLINE);
    if (found !== -1) return start + found + 1;
    end = start;
  }
  return from;
}

/** Length of an open file that ends in a whole line: a last one without its end gets it. Zeros at the end are the hole of another program. */
export async function endLines(files: FileSystem, fd: number): Promise<number> {
  const { size } = files.statusOf(fd);
  if (size === 0) return 0;
  const end = files.byteAt(fd, size - 1) === 0 ? await endWithoutZeros(files, fd, size) : size;
  if (end < size) await files.truncateOpen(fd, end);
  if (end === 0 || files.byteAt(fd, end - 1) === BYTES.NEWLINE) return end;
  await writeFully(files, fd, [Buffer.from('\n')], end);
  return end + 1;
}

async function endWithoutZeros(files: FileSystem, fd: number, size: number): Promise<number> {
  let end = size;
  while (end > 0) {
    const from = Math.max(0, end - ZEROS_STEP);
    const bytes = await readFully(files, fd, end - from, from);
    let length = bytes.length;
    while (length > 0 && bytes[length - 1] === 0) length--;
    if (length > 0) return from + length;
    end = from;
  }
  return 0;
}
