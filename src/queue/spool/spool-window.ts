import { type FileSystem, readFully } from '../../disk/file-system.ts';
import { entryBytes } from '../../disk/write-ahead-log.ts';

const WINDOW_BYTES = 1024 * 1024;

/** The bytes of a segment from `position`, not beyond `end`: 1 MiB, or one whole entry where that is longer. */
export async function readWindow(files: FileSystem, fd: number, position: number, end: number): Promise<Buffer> {
  const window = await readFully(files, fd, Math.min(WINDOW_BYTES, end - position), position);
  const needed = entryBytes(window, 0);
  if (needed <= window.length || needed > end - position) return window;
  return readFully(files, fd, needed, position);
}
