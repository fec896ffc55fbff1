import { type FileSystem, readFully, writeFully } from './file-system.ts';

const STEP_BYTES = 1024 * 1024;

/**
 * Makes an open file durable from `from` to its end, `size`, after a process that died. A sync alone is not enough: when one has
 * failed before, the kernel takes the bytes in its page cache for written, and no later sync writes them.
 */
export async function writeAgain(
  files: FileSystem,
  fd: number,
  { from, size }: { readonly from: number; readonly size: number },
): Promise<void> {
  for (let at = from; at < size; ) {
    const bytes = await readFully(files, fd, Math.min(STEP_BYTES, size - at), at);
    if (bytes.length === 0) break;
    await writeFully(files, fd, [bytes], at);
    at += bytes.length;
  }
  await files.sync(fd);
}
