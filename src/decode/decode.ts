import type { BatchLimits } from '../lines/batch-limits.ts';
import type { Batch } from '../model/chunk.ts';
import type { Hour } from '../model/hour.ts';

/** What is wrong with one record. */
export interface Rejection {
  /** Place in the batch: the record's 0-based index, or for CSV the 1-based row (the header counts). */
  readonly index: number;
  /** The field at fault; empty when the record as a whole is. */
  readonly field: string;
  /** The text for the client: `record 3 missing path`, `row 2 invalid timestamp "yesterday"`. */
  readonly reason: string;
  /** The record's own text as it came, for the dead letters; of bytes that are not text `base64:` and the bytes. */
  readonly raw: string;
  /** The content type of a body that consists of these bytes alone. */
  readonly contentType?: string;
}

export interface Decoded {
  /** The valid records as stored lines, one chunk for each UTC hour, in the order in which each hour was first seen. */
  readonly batch: Batch;
  /** Valid records. */
  readonly accepted: number;
  /** Invalid records, in order: all of them with `invalid: 'skip'`, at most MAX_LISTED_REJECTIONS with 'reject'. */
  readonly rejections: readonly Rejection[];
  /** Invalid records in all. */
  readonly rejected: number;
}

export interface DecodeOptions extends BatchLimits {
  /** Largest stored line, its newline included, in bytes. */
  readonly maxRecordBytes: number;
  /** Deepest nesting of a JSON record. 1: its values are not objects or arrays. */
  readonly maxDepth: number;
  /** Extra fields: kept as they came, or dropped. */
  readonly extraFields: 'keep' | 'drop';
  /** 'reject': the first invalid record fails the batch. No more lines are made, and the records are still counted. */
  readonly invalid: 'reject' | 'skip';
  /** A record before this hour is invalid: retention removed its hour. Absent: any hour is taken. */
  readonly firstHour?: Hour;
  /** Protobuf: full name of the message where its bytes have no schema id; the first of the schema when absent. */
  readonly messageType?: string | undefined;
}

/** Rejections that are listed to a client; the others are only counted. */
export const MAX_LISTED_REJECTIONS = 100;

/** With `invalid: 'skip'`, a body with more invalid records than this is refused as a whole, because their list needs a limit. */
export const MAX_SKIPPED = 100_000;

/** The body as a whole cannot be read: another format, not UTF-8, empty. `message` has the place and what was expected there. */
export class MalformedBodyError extends Error {
  override readonly name = 'MalformedBodyError';
}

/**
 * Turns a body into lines, once; from here on only bytes move. No I/O and no clock.
 *
 * A generator so that a large body does not stall the event loop: it yields after a few milliseconds of work, and
 * the caller decides what to do between (see service/ingest). A small body never yields. The decoder owns `body` from the
 * call on: chunks may be views of it, and it may be rewritten in place. Throws MalformedBodyError, and where a limit of the
 * batch is reached BatchTooLargeError, TooManyHoursError or NoRoomError (lines/batch-limits.ts).
 */
export type Decoder = (body: Buffer, options: DecodeOptions) => Generator<undefined, Decoded, undefined>;

/** The decoders of one stream. */
export type Decoders = Readonly<Record<BodyFormat, Decoder>>;

/** The formats of text, which have the names of the fields in them. */
export const TEXT_FORMATS = ['json', 'ndjson', 'csv'] as const;
export type TextFormat = (typeof TEXT_FORMATS)[number];

/** The formats a request body may have; each has its row in decoders.ts. */
export const BODY_FORMATS = [...TEXT_FORMATS, 'avro', 'protobuf', 'protobuf-delimited'] as const;
export type BodyFormat = (typeof BODY_FORMATS)[number];
