import { access, constants, statfs } from 'node:fs/promises';

const MIN_FREE_BYTES = 1024 * 1024;
/** A commit may need a file for each of a few new hours, and the journal needs one for its next segment. */
const MIN_FREE_INODES = 16;

/** Free bytes of the file system that a folder is on, for a process without privileges, and the bytes of all of it. */
export async function readSpace(folder: string): Promise<{ readonly freeBytes: number; readonly sizeBytes: number }> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
}

/** Rejects when a folder cannot be written, or its file system has no room for commits. Creates no file. */
export async function checkFreeSpace(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    await access(folder, constants.W_OK);
    const { bavail, bsize, files, ffree } = await statfs(folder);
    if (bavail * bsize < MIN_FREE_BYTES) throw new Error(`disk is full: ${bavail * bsize} bytes free in ${folder}`);
    // Some file systems have no fixed number of inodes and say 0.
    if (files > 0 && ffree < MIN_FREE_INODES) throw new Error(`disk is full: ${ffree} inodes free in ${folder}`);
  }
}
