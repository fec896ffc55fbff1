import type { Checkpoint } from './checkpoint.ts';
import type { DeliverSlice, OpenReading, Slice } from './files.ts';
import type { CreateBoundary } from './slice-cutter.ts';

/**
 * A slice counts as so many bytes in flight at least: small ones are a load, too, and each has its file open. With 32 MiB 64 of them are under
 * way. More would only wait for the same connections, and what waits outlives the collections of young garbage.
 */
export const MIN_CHARGE_BYTES = 512 * 1024;

export interface FollowOptions {
  /** Paths with `*`, `?`, `[…]`, `{…}`, or a double star. */
  readonly patterns: readonly string[];
  readonly checkpoint: Checkpoint;
  /** Paths that are never followed, whatever the patterns: what this program writes itself. */
  readonly exclude?: ((path: string) => boolean) | undefined;
  readonly open: OpenReading;
  readonly createBoundary: CreateBoundary;
  readonly deliver: DeliverSlice;
  /** `end`: files that are there at the first start, with a checkpoint of no file, begin at the end that they have then. */
  readonly from?: 'start' | 'end';
  /** Bytes that are read and not delivered, of all files: at least 1 MiB. */
  readonly maxInFlightBytes?: number;
  /** Slices of one file under way. */
  readonly concurrency?: number;
  readonly batch?: number | undefined;
  readonly report: FollowReport;
  /** For a test of the polling alone. */
  readonly watch?: boolean;
}

/** Is told what happens, in the order of each file. */
export interface FollowReport {
  /** The slice and all before it in its file are delivered. */
  delivered(slice: Slice): void;
  /** What a user should know, though all could be read. */
  warn(path: string, message: string): void;
  /** The file could not be read, or its delivery failed. It is tried again, after longer and longer pauses. */
  fault(path: string, error: Error): void;
}

export interface FollowCounts {
  /** Files that are followed. */
  readonly files: number;
  /** Those of them that are open. */
  readonly open: number;
  /** Bytes of slices that were delivered, since the start. */
  readonly bytes: number;
  /** Frames in them. */
  readonly frames: number;
  /** Bytes of plain files that are not delivered, as they were last looked at. */
  readonly lagBytes: number;
  /** Bytes that are read and not delivered. */
  readonly inFlightBytes: number;
}

export interface Follower {
  /** Resolves when the files that are there were found, and are being read. Rejects where those to be skipped cannot be written down. Called once. */
  start(): Promise<void>;
  /** Reads nothing new. Resolves when what was read is delivered; rejects when that takes longer than `graceMs`. */
  stop(graceMs: number): Promise<void>;
  counts(): FollowCounts;
  /** Paths of files that are followed, at most so many. */
  paths(most: number): readonly string[];
}
