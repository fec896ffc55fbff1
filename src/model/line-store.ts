/*
 * The store of lines: logs of other machines, kept line by line. A line is known by its log and its number; the same line again takes the
 * place of the one before, so a sender that is not sure sends again. A log is a host, a file and a generation: another generation of a file
 * is another log, and never overwrites.
 */

/** Of a host and of a file, in UTF-8. They are names, and no path is ever made of them. */
export const MAX_NAME_BYTES = 4096;
/** Of a generation, in UTF-8. */
export const MAX_GENERATION_BYTES = 256;
/** Numbers are whole and begin with 0. */
export const MAX_LINE_NUMBER = Number.MAX_SAFE_INTEGER;

export interface LogName {
  readonly host: string;
  readonly file: string;
  /** Empty where the sender names none. */
  readonly generation: string;
}

/** All methods but `append` reject when the database cannot be read. Arguments and results can be sent to another thread. */
export interface LineStore {
  /**
   * Stores the lines of a body, `{"batch":[{"host","file","line-num","content","generation"}…],"size"}`, or none of them. They are synced when
   * it resolves. The memory of `body` goes to another thread: it must be of its own, and the caller has it no more. Never rejects.
   */
  append(body: Uint8Array<ArrayBuffer>): Promise<Appended>;
  /** A log as it is now. Without a generation: the newest, which is the one that came last. */
  find(name: Omit<LogName, 'generation'> & Partial<LogName>): Promise<FoundLog | undefined>;
  /** The next lines of a log: about PIECE_BYTES, or one longer line. */
  read(range: LineRange): Promise<LinePiece>;
  /** Logs by host and file, those of one file with the newest generation first: at most LISTED_LOGS after a place. */
  list(after: FoundLog | undefined): Promise<readonly FoundLog[]>;
  /** Rejects with the reason when lines cannot be stored, or read. */
  check(): Promise<void>;
}

export const PIECE_BYTES = 256 * 1024;
export const LISTED_LOGS = 500;

/**
 * `malformed`: the body is no batch. `invalid`: one of its lines is wrong. In both cases sending it again does not help. `unavailable`: it
 * does, later.
 */
export type Appended =
  | {
      readonly kind: 'stored';
      readonly lines: number;
      /** Of the commit, in seconds; only in the first result of those that shared it. */
      readonly commitSeconds?: number;
    }
  | { readonly kind: 'malformed'; readonly reason: string }
  | { readonly kind: 'invalid'; readonly index: number; readonly field: string; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface FoundLog extends LogName {
  /** Larger for those that came later. */
  readonly id: number;
  /** How many it has. */
  readonly lines: number;
  /** Its highest number. */
  readonly last: number;
}

/** Numbers [from, to) of a log. */
export interface LineRange {
  readonly id: number;
  readonly from: number;
  readonly to: number;
}

export interface LinePiece {
  /** Each line and a newline. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lines: number;
  /** Numbers that no line has: up to the last line of the piece, and of the last piece up to the end of the range. */
  readonly missing: number;
  /** Where the next piece begins; undefined when this is the last. */
  readonly next: number | undefined;
}
