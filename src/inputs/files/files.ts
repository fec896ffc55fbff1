import type { Stats } from 'node:fs';
import { type Converted, type FileReading, MAX_FRAME_BYTES } from '../../decode/decode.ts';

/*
 * Files as inputs: of replay (to their end), of forward and of the inputs of a service (for ever). One file passes
 *
 *   unpack → slices → convert → deliver → checkpoint
 *
 * A slice is a range of bytes of the unpacked file, whole frames, and it ends at the first end of a frame at or after a multiple of
 * BLOCK_BYTES; earlier only where the file has no more for now, or where --batch asks for less. So a slice has the same bounds whoever reads
 * the file whenever, and its bounds make its key: what is sent again is recognised. The bounds of any other slice are noted in the
 * checkpoint, synced, before it is first sent, and a later run sends that slice again before it goes on. So are those of the first slice of a
 * file, for a file of which nothing is noted is new, and no slice of it can be under way; and all of a run with --batch.
 */
export const BLOCK_BYTES = 256 * 1024;

/** A frame that is longer is reported and left out; only its beginning is kept. */
export { MAX_FRAME_BYTES };

/** How far a file is delivered: everything before `offset`. */
export interface FilePosition {
  /** In the unpacked file, bytes. */
  readonly offset: number;
  /** Frames before it. */
  readonly number: number;
  /** `state` of the reading there. */
  readonly state: string;
}

export const FILE_START: FilePosition = { offset: 0, number: 0, state: '' };

/** What a checkpoint knows of a file. A file that goes to two streams has two. */
export interface KnownFile extends FilePosition {
  /** Random, given when the file was first seen: 16 characters of base64url. The keys of its slices begin with it. */
  readonly id: string;
  readonly stream: string;
  /** Absolute; where it was seen last. */
  readonly path: string;
  /** Where it was first seen, without symbolic links. Absent: `path`. */
  readonly firstPath?: string;
  readonly device: number;
  readonly inode: number;
  /** SHA-256 in hex of its first `headBytes` bytes after unpacking: at most HEAD_BYTES, as many as there were. */
  readonly head: string;
  readonly headBytes: number;
  /**
   * Of what it had when it was first seen nothing is to be read: bytes of a plain file, `all` of a packed one. Until its first commit, so that
   * a run that ends before leaves it to the next.
   */
  readonly skip?: number | 'all';
  /** How it is read, once that is recognised. */
  readonly format: string;
  /** Bounds that were noted, and are not known to be delivered. In order. */
  readonly noted: readonly SliceBounds[];
  /** A packed file that is read to its end: as it was then. The same one again is not unpacked. */
  readonly finished?: PackedState;
  /** When it was seen last, Unix milliseconds: entries of files that are gone for long are forgotten. */
  readonly seen: number;
}

export interface PackedState {
  /** As it lies on disk. */
  readonly bytes: number;
  /** `mtimeMs`: it goes with the content when the file is renamed, or copied with its times. */
  readonly modifiedMs: number;
}

export function packedState({ size, mtimeMs }: Stats): PackedState {
  return { bytes: size, modifiedMs: mtimeMs };
}

/** Whether the packed file was read to its end, and has not changed since. */
export function isFinished({ finished }: KnownFile, { size, mtimeMs }: Stats): boolean {
  return finished?.bytes === size && finished.modifiedMs === mtimeMs;
}

export interface SliceBounds {
  readonly from: number;
  readonly to: number;
}

export const HEAD_BYTES = 1024;

/** A part of a file on its way. */
export interface Slice extends SliceBounds {
  /** For messages: the path as it was given, `-` for standard input. */
  readonly name: string;
  /** Of KnownFile, or made of source, path and content where there is no checkpoint. */
  readonly id: string;
  /** Of its first frame, from 1. */
  readonly number: number;
  /** Whole frames with their delimiters. */
  readonly bytes: Buffer;
  readonly converted: Converted;
  /** Where the file goes on after it. */
  readonly position: FilePosition;
}

/**
 * Resolves when each record of the slice is stored or known to be, and the others are accounted for. Rejects when it cannot be delivered and
 * the rest of the file must wait or end. Slices of one file are handed over in order; several may be under way.
 */
export type DeliverSlice = (slice: Slice) => Promise<void>;

/**
 * Opens the reading of a file. `head`: its first bytes after unpacking, at most FORMAT_BYTES; `state` and `format`: as an earlier reading
 * left them, empty at the start. Throws UnreadableFileError.
 */
export type OpenReading = (name: string, head: Buffer, state: string, format: string) => FileReading;

/** First bytes of a file by which its format is recognised. */
export const FORMAT_BYTES = 64 * 1024;
