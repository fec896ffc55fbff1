import type { FileFormat } from './file-reading.ts';

/** A format whose frames are lines of text of an access log. */
export interface LineFormat {
  readonly name: FileFormat;
  /**
   * Whether a line is of this format, for the recognition: 1 certainly and no other, 0 certainly not. Between: how likely. Never throws.
   * `line`: without its newline, prefixes of wrappers left out.
   */
  score(line: Buffer): number;
  createReader(options: LineOptions): LineReader;
}

export interface LineOptions {
  /** Of times that name none: minutes east of UTC. */
  readonly zone: number;
  /** `core`: timestamp, path and userAgent alone. */
  readonly fields: 'all' | 'core';
  /** `state` of the reader that read what stands before. Empty at the start of a file. */
  readonly state: string;
}

export interface LineReader {
  /** See FileReading.state. */
  readonly state: string;
  /**
   * Reads bytes[start, end), a line without its newline and CR, and writes it to `out` as one stored line. `directive`: a line that is no
   * record by its format, such as `#Fields`. An object: why it cannot be read; then nothing is written. Never throws.
   */
  read(bytes: Buffer, start: number, end: number, out: AccessLines): LineVerdict;
  /**
   * FAST PATH, of JSON alone. Writes what `read` would, where the line is certainly a record itself and has no other line in it
   * (json-wrappers.ts); else gives false and writes nothing.
   */
  readRecord?(bytes: Buffer, start: number, end: number, out: AccessLines): boolean;
}

export type LineVerdict = 'record' | 'directive' | { readonly reason: string };

/** What a line of an access log knows. Absent: it does not say. */
export interface AccessFields {
  /** RFC 3339 in UTC, as it will be stored. */
  readonly timestamp: string;
  /** The target of the request with its query; `-` where there is none. */
  readonly path: string;
  /** `-` where there is none. */
  readonly userAgent: string;
  /** Address or name of the client. */
  readonly client?: string | undefined;
  readonly user?: string | undefined;
  /** The virtual host that was asked for. */
  readonly host?: string | undefined;
  readonly method?: string | undefined;
  /** `HTTP/1.1` */
  readonly protocol?: string | undefined;
  readonly status?: number | undefined;
  /** Of the answer's body, or of the answer where the format counts that. */
  readonly bytes?: number | undefined;
  readonly referrer?: string | undefined;
  /** Seconds. */
  readonly duration?: number | undefined;
  /** What the line has after the fields of its format, or between them, as it stands there. */
  readonly rest?: string | undefined;
  /** The request is none of HTTP: the whole of it is the path. */
  readonly malformed?: true | undefined;
}

/** A field of any other name: the name itself, and its value as JSON text on one line, valid and without white space between its tokens. */
export type ExtraField = readonly [name: string, json: string];

/** Where readers write stored lines of the stream access, `{"timestamp":…,"path":…,"userAgent":…,"client":…}`, one after the other. */
export interface AccessLines {
  /** Lines so far. */
  readonly count: number;
  /**
   * Writes one record: the fields in the order of AccessFields, then the extra ones; absent ones and with `core` all but the first three left
   * out. The extra fields have names that differ from each other and from those of the fields that are there.
   */
  add(fields: AccessFields, extras?: readonly ExtraField[]): void;
  /** Memory for at least `bytes` more bytes, for a reader that writes its lines itself: it writes at `used`, ends the line, and calls `added`. */
  reserve(bytes: number): { readonly buffer: Buffer; readonly used: number };
  /** One whole line, its newline included, ends now at `used`. */
  added(used: number): void;
}
