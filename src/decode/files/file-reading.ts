import { PermanentError } from '../../model/deliver.ts';
import type { FileFormat } from '../../model/file-formats.ts';

export type { FileFormat };

/** How a file is cut into frames: lines, CSV rows (RFC 4180) or the elements of one JSON array. */
export type Framing = 'lines' | 'rows' | 'elements';

/** Finds where frames end, in bytes that come piece by piece: it keeps what it needs to know of the pieces before. */
export interface Boundary {
  /** The index of the next delimiter at or after `from`; -1 where the piece has none. Throws where the file cannot be cut. */
  next(piece: Buffer, from: number): number;
  /** Throws where the bytes must not end yet. */
  end(): void;
  /** Leaves the present frame: the next line end is a delimiter again. */
  reset(): void;
}

/**
 * How one file is read: its format, and what its head says about the lines after it. It keeps what it has read of that (`state`), so a file
 * has one of its own, and the blocks of a file are converted in order.
 */
export interface FileReading {
  readonly format: FileFormat;
  readonly framing: Framing;
  /** The word for one frame, for messages. */
  readonly noun: 'line' | 'row' | 'record';
  /**
   * What a later reading needs to go on after the last block: the header of a CSV file, the last `#Fields` of a W3C log, the parts of a line
   * that a container runtime has cut. Empty: nothing. At most MAX_STATE_BYTES.
   */
  readonly state: string;
  /**
   * Turns whole frames, as they stand in the file with their delimiters (the last may have none), into lines of NDJSON: stored lines of the
   * stream, in the order of its fields. `number`: that of the first frame, from 1.
   */
  convert(frames: Buffer, number: number): Converted;
}

export interface Converted {
  /** NDJSON: the service's POST /logs takes it. Memory of its own. */
  readonly body: Buffer;
  /** Lines in `body`. */
  readonly records: number;
  /** Frames in the block: records, unreadable ones, blank ones, directives. */
  readonly frames: number;
  readonly unreadable: readonly Unreadable[];
  /**
   * Number in the file of the record at this place in `body`, from 0: asked only where a record is refused, so it may be slow. Absent: the
   * records stand in the order of their frames.
   */
  readonly numbers?: (index: number) => number;
  /** Gives the memory of `body` back for another block: nobody may read it after that. It need not be called. */
  readonly release?: () => void;
}

export interface Unreadable {
  /** Of the line, row or element in its file, from 1. */
  readonly number: number;
  /** Why, for people: what was found, and what was expected. */
  readonly reason: string;
  /** The frame without its delimiter: a view of the block. */
  readonly bytes: Buffer;
}

export const MAX_STATE_BYTES = 64 * 1024;

/** The file as a whole cannot be read: `message` says where, and what was expected, such as the columns that a header has. */
export class UnreadableFileError extends PermanentError {
  override readonly name = 'UnreadableFileError';
}
