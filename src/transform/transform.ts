/*
 * Changes of records on their way: which lines go on, and what is added to them. Everything here works on blocks of whole lines, in memory,
 * without I/O. Patterns are those of RE2: a search takes linear time, whoever wrote the pattern.
 */

/** Characters of a pattern, at most. */
export const MAX_PATTERN_CHARACTERS = 1_000;
/** Of a longer line, or message, so many bytes from its beginning are searched. */
export const MAX_SEARCHED_BYTES = 64 * 1024;

/** Tells which texts a pattern matches anywhere in them. */
export type TextTest = (bytes: Buffer, start: number, end: number) => boolean;

export interface FilteredBlock {
  /** As many lines as there were. Those that are left out are empty, so that every other one keeps its number. */
  readonly block: Buffer;
  /** Lines that were left out. Blank ones are not counted. */
  readonly leftOut: number;
}

/** Keeps the lines that match. The block that comes in is not changed. */
export type FilterLines = (block: Buffer) => FilteredBlock;

/** A text that matches gets the name. */
export interface TagRule {
  /** 1 to 64 letters, digits, `_`, `-` or `.`. */
  readonly name: string;
  readonly pattern: string;
}

export interface TaggedLines {
  /** The stored lines, each with the field `tag` as its last. */
  readonly lines: Buffer;
  /** Records by level and by tag. */
  readonly levels: ReadonlyMap<string, number>;
  readonly tags: ReadonlyMap<string, number>;
}

/** Adds tags to stored lines of events. A line that has the field `tag` keeps what it has. */
export type TagLines = (lines: Buffer) => TaggedLines;

/** A pattern cannot be used. The message says why, and where in the pattern. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}
