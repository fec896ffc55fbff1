import type { BodyFormat, InputFormat, Rejection } from '../decode/decode.ts';
import type { MemoryCount } from '../lines/batch-limits.ts';
import type { SpareMemory } from '../lines/writer.ts';
import type { Durability, Position } from '../model/deliver.ts';
import type { StreamName } from '../model/stream.ts';

/** One request body to decode and deliver. */
export interface IngestRequest {
  /** A stream that there is. */
  readonly stream: StreamName;
  readonly format: BodyFormat | InputFormat;
  /** Protobuf: full name of the message where its bytes have no schema id. */
  readonly messageType?: string;
  /** Name of the mapping by which its objects are read. Absent: they are records. */
  readonly map?: string;
  /** Decompressed. Ingest owns it from the call on. */
  readonly body: Buffer;
  /**
   * What to do with invalid records; the configured default when absent. `dead-letter`: as `skip`, and they are stored as dead letters also
   * where no record is valid, because nobody waits for an answer.
   */
  readonly invalid?: 'reject' | 'skip' | 'dead-letter';
  /** Nothing is delivered before it has resolved, and nothing at all when it rejects: then ingest rejects with its reason. */
  readonly after?: Promise<void>;
  /** When its records arrived, Unix milliseconds: for texts that name no time, or only a part of one. Absent: now. */
  readonly arrival?: number;
  readonly idempotencyKey?: string;
  /** How far its source is read when it is stored: committed with it. */
  readonly position?: Position;
  /** What stood between its records and could not be read: it becomes dead letters of the same commit. */
  readonly unread?: readonly UnreadFrame[];
  /** Digest of the API key that came with it. */
  readonly owner?: string;
  /** Counts the memory that is made beside the body. */
  readonly memory?: MemoryCount;
  /** Memory for lines, which nothing else uses until ingest has resolved. */
  readonly spare?: SpareMemory;
  /** Where it came from, for the dead letters: a request id, never an address or a key. */
  readonly source: string;
}

export type IngestResult =
  /** `answer` is the JSON text of the 202 body, also when it is the first answer repeated (`replayed`). */
  | {
      readonly kind: 'accepted';
      readonly answer: string;
      readonly durability: Durability;
      readonly replayed: boolean;
      /** Records of the body, the invalid ones too. */
      readonly records: number;
      /** The invalid records that were left out, if any. */
      readonly refused?: Rejected;
    }
  /** Nothing was stored: an invalid record in `reject`, or no valid one in `skip`. At most MAX_LISTED_REJECTIONS are listed. */
  | ({ readonly kind: 'invalid' } & Rejected);

/** Records that are invalid: how many, and the first MAX_LISTED_REJECTIONS of them. */
export interface Rejected {
  readonly rejections: readonly Rejection[];
  readonly rejected: number;
}

/**
 * Decodes and delivers one body. Resolves once the batch is as safe as `durability` says.
 * Rejects with MalformedBodyError or TooManyHoursError (400), BatchTooLargeError (413), NoRoomError (503), PermanentError or IdempotencyConflict (422), UnavailableError (503).
 */
export type Ingest = (request: IngestRequest) => Promise<IngestResult>;

/** What came in together. */
export interface Block {
  /** Whole frames, in order. The intake owns them until it resolves. */
  readonly bytes: Buffer;
  /** When the first of them came, Unix milliseconds. */
  readonly arrival: number;
  /** Frames that could not be read: their beginnings, and why. */
  readonly unread: readonly UnreadFrame[];
  /** Resolves when the block before it is done; it never rejects. Nothing of this block is delivered before. */
  readonly after: Promise<void>;
}

export interface UnreadFrame {
  readonly beginning: Buffer;
  /** For its dead letter. */
  readonly reason: string;
  /** The mapping by which it was to be read. */
  readonly map?: string | undefined;
}

/**
 * Hands a block over. Resolves once each of its records is as safe as `storage.durability` says or is a dead letter. Rejects only with the
 * reason of a stop whose time is over.
 */
export type Intake = (block: Block) => Promise<void>;

/** Resolves with the passing checks by name; a failing one has its reason. */
export type CheckReadiness = () => Promise<Readonly<Record<string, { readonly ok: boolean; readonly detail: string }>>>;
