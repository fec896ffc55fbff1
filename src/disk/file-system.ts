import * as fs from 'node:fs';
import { promisify } from 'node:util';
import { isAbsent, isMissing } from './missing.ts';

/** What stands at a path, or what a descriptor leads to. */
export interface FileStatus {
  /** Device and inode: together they tell one file from any other that has its name later. */
  readonly dev: number;
  readonly ino: number;
  /** Length in bytes. */
  readonly size: number;
  /** False for a folder, a symbolic link, a FIFO, a socket and a device. */
  readonly isFile: boolean;
  /** Names that the file has; 0 once it was deleted while somebody has it open. */
  readonly links: number;
  /** Unix milliseconds, with a fraction: when its content was last written. */
  readonly modified: number;
}

/**
 * The operations on disk that a commit is made of. Tests hand in another one, because a real disk does not write short,
 * fail a sync or fill up when a test needs it.
 */
export interface FileSystem {
  /**
   * Opens for reading and writing. Creates a missing file, with mode 0640, but not its folder. Gives the descriptor.
   * Rejects for a symbolic link at `path`; links in the folders above are followed.
   */
  open(path: string): Promise<number>;
  /** As `open`; each write is appended, whatever its position, also beside those of other processes. */
  openToAppend(path: string): Promise<number>;
  /** Opens for reading. Rejects when the file is missing. */
  openToRead(path: string): Promise<number>;
  close(fd: number): Promise<void>;
  /** Writes at `position`, and gives the bytes written, which may be fewer than those of `buffers`. */
  write(fd: number, buffers: readonly Buffer[], position: number): Promise<number>;
  /** Makes data and length durable. Never retry on the same descriptor: the kernel forgets that a sync failed. */
  sync(fd: number): Promise<void>;
  /** Creates a folder with its parents, mode 0750. Gives the outermost one that is new; undefined when all were there. */
  makeFolder(path: string): Promise<string | undefined>;
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>;
  truncate(path: string, length: number): Promise<void>;
  /** `truncate`, by descriptor: for a file that may have lost its name. */
  truncateOpen(fd: number, length: number): Promise<void>;
  /** Gives a file another name in the same folder, in the place of whatever has it. */
  rename(from: string, to: string): Promise<void>;
  /** Deletes a file. */
  remove(path: string): Promise<void>;
  /** Deletes an empty folder. */
  removeFolder(path: string): Promise<void>;
  /** What is at `path` now; a symbolic link is not followed. Undefined when there is nothing. Blocks for a microsecond or two. */
  statusAt(path: string): FileStatus | undefined;
  /** The file of a descriptor, whatever became of its name. */
  statusOf(fd: number): FileStatus;
  /** One byte; undefined beyond the end of the file. Blocks like `statusAt`: for a byte of a page that was just written. */
  byteAt(fd: number, position: number): number | undefined;
  /** Reads into `target` from `position`, and gives the bytes read; they may be fewer, and are 0 at the end of the file. */
  read(fd: number, target: Buffer, position: number): Promise<number>;
  /** Length in bytes, undefined when there is no such file. */
  size(path: string): Promise<number | undefined>;
}

const openAsync = promisify(fs.open);
const closeAsync = promisify(fs.close);
const readAsync = promisify(fs.read);
const fdatasyncAsync = promisify(fs.fdatasync);

/** A write up to this size is a copy into the page cache. To do it here costs less than to hand it to a thread. */
const INLINE_WRITE_BYTES = 64 * 1024;

function writeInThread(fd: number, buffers: readonly Buffer[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(fd, buffers, position, (error, written) => (error === null ? resolve(written) : reject(error)));
  });
}

const { O_RDONLY, O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
/** O_NONBLOCK: a FIFO that somebody put at the path must not hold up a thread. It means nothing for a regular file. */
const OPEN_FLAGS = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK;

function statusFrom(stats: fs.Stats): FileStatus {
  return {
    dev: stats.dev,
    ino: stats.ino,
    size: stats.size,
    isFile: stats.isFile(),
    links: stats.nlink,
    modified: stats.mtimeMs,
  };
}

const oneByte = Buffer.alloc(1);
export const FOLDER_MODE = 0o750;

export const diskFileSystem: FileSystem = {
  open: (path) => openAsync(path, OPEN_FLAGS, 0o640),
  openToAppend: (path) => openAsync(path, OPEN_FLAGS | O_APPEND, 0o640),
  openToRead: (path) => openAsync(path, O_RDONLY | O_NONBLOCK),
  close: closeAsync,
  async write(fd, buffers, position) {
    let bytes = 0;
    for (const buffer of buffers) bytes += buffer.length;
    return bytes <= INLINE_WRITE_BYTES ? fs.writevSync(fd, buffers, position) : writeInThread(fd, buffers, position);
  },
  sync: fdatasyncAsync,
  makeFolder: (path) => fs.promises.mkdir(path, { recursive: true, mode: FOLDER_MODE }),
  async syncFolder(path) {
    const fd = await openAsync(path, fs.constants.O_RDONLY);
    try {
      await promisify(fs.fsync)(fd);
    } finally {
      await closeAsync(fd);
    }
  },
  truncate: promisify(fs.truncate),
  truncateOpen: promisify(fs.ftruncate),
  rename: promisify(fs.rename),
  remove: promisify(fs.unlink),
  removeFolder: promisify(fs.rmdir),
  statusAt(path) {
    try {
      const stats = fs.lstatSync(path, { throwIfNoEntry: false });
      return stats === undefined ? undefined : statusFrom(stats);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  },
  statusOf: (fd) => statusFrom(fs.fstatSync(fd)),
  byteAt: (fd, position) => (fs.readSync(fd, oneByte, 0, 1, position) === 1 ? oneByte[0] : undefined),
  async read(fd, target, position) {
    return (await readAsync(fd, target, 0, target.length, position)).bytesRead;
  },
  async size(path) {
    try {
      return (await fs.promises.stat(path)).size;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },
};

/** Deletes a regular file, if there is one. A folder, a link or anything else at the path stays. */
export async function removeFileIfThere(files: FileSystem, path: string): Promise<void> {
  if (files.statusAt(path)?.isFile === true) await removeIfThere(files, path);
}

/** Deletes a file, if there is one. */
export async function removeIfThere(files: FileSystem, path: string): Promise<void> {
  try {
    await files.remove(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/**
 * Cuts a file to a length. When `durable`, what was cut off does not come back after a power cut: by then nobody may know
 * any more how long the file must be.
 */
export async function cutFile(
  files: FileSystem,
  { path, length, durable }: { readonly path: string; readonly length: number; readonly durable: boolean },
): Promise<void> {
  if (!durable) return files.truncate(path, length);
  const fd = await files.open(path);
  try {
    await files.truncateOpen(fd, length);
    await files.sync(fd);
  } finally {
    await files.close(fd);
  }
}

/** Most buffers one writev takes (IOV_MAX). */
const MAX_BUFFERS = 1024;

/** Writes all of `buffers` at `position`, and continues after a short write. */
export async function writeFully(
  files: FileSystem,
  fd: number,
  buffers: readonly Buffer[],
  position: number,
): Promise<void> {
  let rest = buffers.filter((buffer) => buffer.length > 0);
  let at = position;
  while (rest.length > 0) {
    const written = await files.write(fd, rest.slice(0, MAX_BUFFERS), at);
    if (written === 0) throw new Error('the file system wrote nothing');
    at += written;
    rest = dropBytes(rest, written);
  }
}

function dropBytes(buffers: readonly Buffer[], bytes: number): Buffer[] {
  let left = bytes;
  let first = 0;
  for (; first < buffers.length; first++) {
    const length = buffers[first]?.length ?? 0;
    if (left < length) break;
    left -= length;
  }
  const rest = buffers.slice(first);
  if (left > 0 && rest[0] !== undefined) rest[0] = rest[0].subarray(left);
  return rest;
}

/** Reads `length` bytes at `position`, or fewer where the file ends before. */
export function readFully(files: FileSystem, fd: number, length: number, position: number): Promise<Buffer> {
  return readInto(files, fd, Buffer.allocUnsafe(length), position);
}

/** `readFully` into memory that is there. Gives the part of it that has bytes. */
export async function readInto(files: FileSystem, fd: number, buffer: Buffer, position: number): Promise<Buffer> {
  let filled = 0;
  while (filled < buffer.length) {
    const read = await files.read(fd, buffer.subarray(filled), position + filled);
    if (read === 0) break;
    filled += read;
  }
  return buffer.subarray(0, filled);
}
