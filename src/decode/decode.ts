import type { BatchLimits } from '../lines/batch-limits.ts';
import type { BlockForm } from '../lines/block-form.ts';
import type { Batch } from '../model/chunk.ts';
import type { FieldMap } from '../model/field-map.ts';
import type { Hour } from '../model/hour.ts';
import type { RecordKind } from '../model/record-kinds.ts';

export type { Boundary, Converted, FileFormat, FileReading, Framing, Unreadable } from './files/file-reading.ts';
export type { RecordKind };

/** What is wrong with one record. */
export interface Rejection {
  /** Place in the batch: the record's 0-based index, or for CSV the 1-based row (the header counts). */
  readonly index: number;
  /** The field at fault; empty when the record as a whole is. */
  readonly field: string;
  /** The text for the client: `record 3 missing path`, `row 2 invalid timestamp "yesterday"`; of a block `missing path`. */
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
  /** Valid records by kind, where a body may have several kinds. */
  readonly kinds?: ReadonlyMap<RecordKind, KindCount>;
}

export interface KindCount {
  readonly records: number;
  /** The stored line of the last one, or its beginning: at most SAMPLE_BYTES. */
  readonly sample: string;
}

export const SAMPLE_BYTES = 1_024;

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
  /** The same for a record before or after this time, in whole Unix seconds: a rule of the service. Absent: any time is taken. */
  readonly earliest?: number;
  readonly latest?: number;
  /** Protobuf: full name of the message where its bytes have no schema id; the first of the schema when absent. */
  readonly messageType?: string | undefined;
  /**
   * The body is a block of an input. Its records have no place that their sender knows, so reasons do not begin with `record 3`, and are the
   * same whatever else is in the block. A block may have no record.
   */
  readonly isBlock?: boolean;
  /** How text is read, in the formats `text` and `frames`. */
  readonly text?: TextOptions;
  /** Fields that senders name, leave out or write in another way than the stream. */
  readonly mapping?: Mapping;
  /**
   * Where the fields stand in the objects of a body of JSON or NDJSON: what it does not name is left out. Absent: the objects are records. Never
   * with `mapping` or `isBlock`.
   */
  readonly map?: FieldMap;
}

export interface TextOptions {
  /** What a text is taken for. `auto`: JSON, a journal entry, syslog or raw, as it is recognised. */
  readonly format: 'auto' | 'raw' | 'syslog' | 'journald' | 'combined';
  /** The zone of times that have none, in minutes east of UTC; `arrival`: the one in which the time is that of the arrival, else UTC. */
  readonly zone: number | 'arrival';
  /** The service of raw text that names none. */
  readonly service: string;
  /** When the text arrived, Unix milliseconds. */
  readonly arrival: number;
  /** A text without a time, which is none of the known forms, is invalid; otherwise it gets that of its arrival. */
  readonly needsTime?: boolean;
}

/** Applied to a record in this order. */
export interface Mapping {
  /** The stored name of a field by the name that it came with. */
  readonly rename: ReadonlyMap<string, string>;
  /** The text of a required field that is absent. */
  readonly defaults: ReadonlyMap<string, string>;
  /** `auto`: Unix times too, in seconds, milliseconds, microseconds or nanoseconds by their size. */
  readonly timestamps: 'rfc3339' | 'auto';
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

/**
 * Cuts the bytes of one sender into whole frames, without a look at what is in them. It keeps at most one frame that is not whole. `emit` gets
 * one frame or several in one block, in order: memory of the piece, or of the framing, that is valid during the call.
 */
export interface BlockFramer {
  /** Bytes that it keeps of the frame that is not whole yet. */
  readonly unfinished: number;
  /** Throws FrameError where the end of a frame cannot be known; the frames before it are emitted. */
  push(piece: Buffer, emit: (frames: Buffer) => void): void;
  /** The sender has closed. Gives what it left as a frame where that may be one; throws FrameError where it is none. */
  end(emit: (frames: Buffer) => void): void;
}

/** What all senders of an input share of its framing. */
export interface BlockFraming {
  readonly form: BlockForm;
  /** For a new sender. `onTooLong` gets the beginning of a frame that is too long, and its length; the frame is skipped. */
  create(onTooLong: (beginning: Buffer, bytes: number) => void): BlockFramer;
}

/** The end of a frame cannot be known, so nothing more can be read from its sender. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  /** The bytes at fault, or their beginning. */
  readonly bytes: Buffer;

  constructor(message: string, bytes: Buffer) {
    super(message);
    this.bytes = Buffer.from(bytes.subarray(0, KEPT_OF_FRAME));
  }
}

/** A longer line, row or element of a file is reported and left out: a stored line is at most a few hundred KiB. */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024;

/** Bytes that are kept of a frame that is too long or cannot be read, for its dead letter. */
export const KEPT_OF_FRAME = 1_024;

/** The decoders of one stream. */
export type Decoders = Readonly<Record<BodyFormat | InputFormat, Decoder>>;

/** The formats of text, which have the names of the fields in them. */
export const TEXT_FORMATS = ['json', 'ndjson', 'csv'] as const;
export type TextFormat = (typeof TEXT_FORMATS)[number];

/** The formats a request body may have; each has its row in decoders.ts. */
export const BODY_FORMATS = [...TEXT_FORMATS, 'avro', 'protobuf', 'protobuf-delimited'] as const;
export type BodyFormat = (typeof BODY_FORMATS)[number];

/** The formats of blocks that inputs have read, beside those of bodies: lines of text, and frames of several kinds. */
export const INPUT_FORMATS = ['text', 'frames'] as const;
export type InputFormat = (typeof INPUT_FORMATS)[number];
