import { hash } from 'node:crypto';
import { constants, readSync, type Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { isAbsent } from '../../disk/missing.ts';
import { UnpackError } from '../../disk/packed.ts';
import { packingOf, unpack } from '../../disk/unpack.ts';
import { HEAD_BYTES, type KnownFile } from './files.ts';

/*
 * What a file is: its device and inode, and the hash of its first bytes after unpacking. A known file is found again
 *
 *   by its inode   in whatever place, if it still begins with the same bytes
 *   by its head    when it is no longer in its place: it was compressed, or truncated after a copy, or moved to another disk
 */

/** A file as it is seen now, on its open descriptor. */
export interface SeenFile {
  /** Absolute. */
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  /** When its content or its inode changed last, Unix milliseconds: `ctimeMs`. Not `mtimeMs`, which gzip and `cp -p` set back to the original's. */
  readonly changedMs: number;
  /** When it was made, Unix milliseconds: `birthtimeMs`. 0 where the file system does not say it. */
  readonly bornMs: number;
  /** Bytes of a plain file; undefined for a packed one. */
  readonly size: number | undefined;
  /** Its first bytes after unpacking: HEAD_BYTES, or all that it has for now. */
  readonly head: Buffer;
  /** A packed file that ends in the middle of its head: it may be in the making. */
  readonly isCut?: boolean;
}

/** A known file as a checkpoint keeps it. */
export interface Entry extends KnownFile {
  /** What has its inode is packed. Compression makes a new file, so one with that inode and another form is not it. */
  readonly packed?: true;
  /**
   * From a checkpoint of version 1, and its file was not seen since: `head` is of its first bytes as they lie on disk, `headBytes` of them, and
   * device and inode are not known.
   */
  readonly raw?: true;
  /** See Checkpoint.skip: nothing has looked into its file yet. So it has no head, and only its inode tells which file it is. */
  readonly unread?: UnreadFile;
}

/** A file as it stood at a first start. */
export interface UnreadFile {
  readonly bytes: number;
  /** Inodes are used again, and a file without a head cannot be told by it from the next one that has its inode. */
  readonly bornMs: number;
}

/** Of an entry whose file is in no place any more: truncated, say. No file has it. */
export const NO_INODE = 0;

/** SHA-256 in hex of the first `length` bytes. */
export function hashHead(head: Buffer, length: number): string {
  return hash('sha256', head.subarray(0, length), 'hex');
}

/** Whether the file begins with the bytes that are known. */
export function beginsAs(known: Entry, seen: SeenFile): boolean {
  return seen.head.length >= known.headBytes && hashHead(seen.head, known.headBytes) === known.head;
}

/** Whether it is the file that was seen last: inodes of deleted files are used again. */
export function hasInodeOf(known: Entry, seen: SeenFile): boolean {
  const isAlike = isPacked(seen) === (known.packed === true);
  return isAlike && known.inode !== NO_INODE && known.inode === seen.inode && known.device === seen.device;
}

/** Whether it is the file that stood there at a first start, and has only grown since. */
export function isUnread({ unread, device, inode }: Entry, seen: SeenFile): boolean {
  const isThere = device === seen.device && inode === seen.inode && unread?.bornMs === seen.bornMs;
  return isThere && (isPacked(seen) || (seen.size ?? 0) >= unread.bytes);
}

export function isPacked(seen: SeenFile): boolean {
  return seen.size === undefined;
}

/**
 * An open file as it is now. Reads its first bytes, wherever the descriptor's own position is. Rejects with UnpackError when the head of a
 * packed file cannot be had, and with what the system says.
 */
export async function seeFile(file: FileHandle, path: string): Promise<SeenFile> {
  const status = await file.stat();
  const { head, isPlain, isCut } = await readHead(file);
  // It may have grown between the two.
  const size = isPlain ? Math.max(status.size, head.length) : undefined;
  const { dev, ino, ctimeMs, birthtimeMs } = status;
  return { path, device: dev, inode: ino, changedMs: ctimeMs, bornMs: birthtimeMs, size, head, isCut };
}

/** The regular file at `path`; undefined where there is none. Rejects as seeFile. */
export async function lookAt(path: string): Promise<SeenFile | undefined> {
  const status = await statusAt(path);
  if (status?.isFile() !== true) return undefined;
  let file: FileHandle;
  try {
    // Should a FIFO have come in its place, this does not wait for a writer.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
  try {
    return await seeFile(file, path);
  } finally {
    await file.close();
  }
}

/** Whether the known file still stands where it was seen last, with the same beginning. */
export async function isInPlace(known: Entry, path: string = known.path): Promise<boolean> {
  if (known.inode === NO_INODE) return false;
  try {
    const seen = await lookAt(path);
    return seen !== undefined && hasInodeOf(known, seen) && beginsAs(known, seen);
  } catch (error) {
    if (error instanceof UnpackError) return false;
    // It may not be read: then its inode alone must tell.
    const status = await statusAt(path);
    return status?.ino === known.inode && status.dev === known.device;
  }
}

/** Whether one of the known files stands there. Its inode may be that of another file by now, which nobody has asked to follow. */
export async function isOneOf(entries: readonly Entry[], path: string): Promise<boolean> {
  const seen = await lookAt(path).catch(() => undefined);
  const isSeen = (entry: Entry, file: SeenFile) =>
    (hasInodeOf(entry, file) && beginsAs(entry, file)) || isUnread(entry, file);
  return seen !== undefined && entries.some((entry) => isSeen(entry, seen));
}

async function statusAt(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

const FIRST_READ_BYTES = 4 * 1024;
const NEXT_READ_BYTES = 64 * 1024;

interface Head {
  readonly head: Buffer;
  readonly isPlain: boolean;
  readonly isCut: boolean;
}

async function readHead(file: FileHandle): Promise<Head> {
  const first = await readAt(file, 0, FIRST_READ_BYTES);
  if (packingOf(first) === 'plain') {
    return { head: Buffer.from(first.subarray(0, HEAD_BYTES)), isPlain: true, isCut: false };
  }
  const unpacking = unpack(packedFrom(file, first));
  let head = Buffer.alloc(0);
  let isCut = false;
  while (head.length < HEAD_BYTES) {
    const { done, value } = await unpacking.next();
    if (done === true) {
      isCut = value === 'cut';
      break;
    }
    head = Buffer.concat([head, value]);
  }
  await unpacking.return('whole');
  return { head: Buffer.from(head.subarray(0, HEAD_BYTES)), isPlain: false, isCut };
}

async function* packedFrom(file: FileHandle, first: Buffer): AsyncGenerator<Buffer, void> {
  yield first;
  for (let offset = first.length; ; ) {
    const piece = await readAt(file, offset, NEXT_READ_BYTES);
    if (piece.length === 0) return;
    offset += piece.length;
    yield piece;
  }
}

const HEAD = Buffer.allocUnsafeSlow(HEAD_BYTES);

/**
 * Whether the file still begins so; `head` has at most HEAD_BYTES. It is asked with each slice: the page is in memory, and another thread for it
 * would take ten times as long.
 */
export function beginsWith({ fd }: FileHandle, head: Buffer): boolean {
  let filled = 0;
  while (filled < head.length) {
    const bytes = readSync(fd, HEAD, filled, head.length - filled, filled);
    if (bytes === 0) return false;
    filled += bytes;
  }
  return HEAD.compare(head, 0, head.length, 0, filled) === 0;
}

/** The bytes from `offset`, at most `length`; fewer only at the end of the file. */
export async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
