import { constants } from 'node:buffer';
import { dirname } from 'node:path';
import { diskFileSystem, type FileSystem } from './file-system.ts';

/** What an earlier run left at the end of the file: `ended`, a line without its newline; `cut`, bytes that are no line. */
export type Mended = 'nothing' | 'ended' | { readonly cut: number };

export interface LineFile {
  readonly mended: Mended;
  /**
   * Appends whole lines, and syncs. One call at a time. Rejects with what the system says, such as ENOSPC; nothing of the lines is in the file
   * then, unless another process has appended after them. It may be called again.
   */
  append(lines: readonly Buffer[]): Promise<void>;
  close(): Promise<void>;
}

const NEWLINE = 10;
const TAIL_BYTES = 64 * 1024;
/** A longer line at the end is nobody's record. */
const MAX_TAIL_BYTES = Math.min(64 * 1024 * 1024, constants.MAX_LENGTH);

/**
 * Opens a file to which lines are appended; it is made, with mode 0640, where there is none. Where its last line has no newline, because a
 * process was killed as it wrote, it gets one if `isLine` says that it is whole, and otherwise it is cut off. Rejects for a symbolic link, and
 * for what is no file.
 */
export async function openLineFile(
  path: string,
  isLine: (bytes: Buffer) => boolean,
  files: FileSystem = diskFileSystem,
): Promise<LineFile> {
  let fd = await files.openToAppend(path);
  let mended: Mended;
  try {
    if (!files.statusOf(fd).isFile) throw new Error('it is no regular file');
    mended = await mendEnd(files, fd, isLine);
    await files.syncFolder(dirname(path));
  } catch (error) {
    await files.close(fd);
    throw error;
  }

  /** Takes back what was written of lines that could not be appended. */
  async function takeBack(start: number, written: number): Promise<void> {
    const end = files.statusOf(fd).size;
    if (end === start + written) await files.truncateOpen(fd, start);
    else if (written > 0) await files.write(fd, [Buffer.of(NEWLINE)], end);
  }

  return {
    mended,
    async append(lines) {
      const start = files.statusOf(fd).size;
      let written = 0;
      try {
        for (let left = lines; left.length > 0; ) {
          const count = await files.write(fd, left, start + written);
          written += count;
          left = skip(left, count);
        }
        await files.sync(fd);
      } catch (error) {
        await takeBack(start, written).catch(() => undefined);
        // After a sync that failed, the descriptor must not be used again.
        const next = await files.openToAppend(path).catch(() => undefined);
        if (next !== undefined) {
          await files.close(fd).catch(() => undefined);
          fd = next;
        }
        throw error;
      }
    },
    close: () => files.close(fd),
  };
}

async function mendEnd(files: FileSystem, fd: number, isLine: (bytes: Buffer) => boolean): Promise<Mended> {
  const end = files.statusOf(fd).size;
  const tail = await readTail(files, fd, end);
  if (tail.length === 0) return 'nothing';
  if (tail.length >= MAX_TAIL_BYTES || isLine(tail)) {
    await files.write(fd, [Buffer.of(NEWLINE)], end);
    return 'ended';
  }
  await files.truncateOpen(fd, end - tail.length);
  return { cut: tail.length };
}

/** The bytes after the last newline. */
async function readTail(files: FileSystem, fd: number, end: number): Promise<Buffer> {
  let tail = Buffer.alloc(0);
  for (let from = end; from > 0 && tail.length < MAX_TAIL_BYTES; ) {
    const bytes = Math.min(from, Math.max(TAIL_BYTES, tail.length));
    from -= bytes;
    const piece = Buffer.alloc(bytes);
    for (let read = 0; read < bytes; ) {
      const count = await files.read(fd, piece.subarray(read), from + read);
      if (count === 0) throw new Error(`it ends before its ${end} bytes`);
      read += count;
    }
    const newline = piece.lastIndexOf(NEWLINE);
    tail = Buffer.concat([piece.subarray(newline + 1), tail]);
    if (newline >= 0) break;
  }
  return tail;
}

/** The buffers without their first bytes. */
function skip(buffers: readonly Buffer[], bytes: number): readonly Buffer[] {
  let left = bytes;
  for (const [index, buffer] of buffers.entries()) {
    if (left < buffer.length) return [buffer.subarray(left), ...buffers.slice(index + 1)];
    left -= buffer.length;
  }
  return [];
}
