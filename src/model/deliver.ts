import type { Batch } from './chunk.ts';
import { ACCESS_STREAM, type StreamName } from './stream.ts';

/** Where an accepted batch is safe: synced file, page cache, broker, or the disk spool in front of the broker. */
export type Durability = 'disk' | 'os' | 'broker' | 'spool';

/** A client's Idempotency-Key, with the hash that tells a repeat from a misuse and the answer to a repeat. */
export interface IdempotencyNote {
  /** 1–255 visible ASCII characters. */
  readonly key: string;
  /** Hex digest of the decoded body: the same key with another body is a conflict. */
  readonly bodyHash: string;
  /** The JSON body of the first answer, repeated to the second. */
  readonly answer: string;
  /** Unix time in milliseconds at which the key was first used. */
  readonly time: number;
  /** Digest of the API key that used it. Absent: no API key was asked for, or an older version remembered it without. */
  readonly owner?: string;
}

/** The next offset to read of one partition. Offsets are 64-bit, written in decimal. */
export interface OffsetNote {
  readonly topic: string;
  readonly partition: number;
  readonly next: string;
}

/** How far a source has been read that gives its records again from any place: a file. */
export interface Position {
  /** Names the source for ever: `file:` and the id that a file got when it was first seen. */
  readonly source: string;
  /** Where to read on; only the source knows what it means. */
  readonly next: string;
}

/** Why and where a record became a dead letter. `raw` is its content as it was received; `source` names its origin. */
export interface DeadLetter {
  /** The stream that the record was meant for. Absent: the default stream. */
  readonly stream?: StreamName;
  /** Unix time in milliseconds. */
  readonly time: number;
  /** `input`: a service to which the records of files were sent refused it. */
  readonly stage: 'ingest' | 'consume' | 'input';
  readonly reason: string;
  readonly raw: string;
  /** Of `raw` where that is bytes in base64: what `dlq replay` sends them as. */
  readonly contentType?: string;
  /** The mapping by which `raw` is read: `dlq replay` names it. Absent: none. */
  readonly map?: string;
  readonly source: string;
}

/** What must be remembered in the same commit as the data, or not at all. */
export interface CommitNote {
  readonly idempotency?: IdempotencyNote;
  readonly deadLetters?: readonly DeadLetter[];
  readonly offsets?: readonly OffsetNote[];
  readonly positions?: readonly Position[];
  /** `producer:sequence` of each queue message in the batch, so that a resent one is recognised. */
  readonly batchIds?: readonly string[];
  /**
   * Keys of batches that were accepted elsewhere and are stored here, several in one commit: remembered with it, and
   * not compared, which the caller has done. Beside `idempotency`, never instead of it.
   */
  readonly keys?: readonly IdempotencyNote[];
}

/**
 * The stream of a batch that has one: that of its records, else of its dead letters. A batch that has only a key goes with the default
 * stream.
 */
export function streamOfBatch(batch: Batch, note?: CommitNote): StreamName {
  return batch[0]?.stream ?? note?.deadLetters?.[0]?.stream ?? ACCESS_STREAM.name;
}

export interface Receipt {
  readonly durability: Durability;
  /** Set when nothing was stored because the idempotency key was known: the first answer. */
  readonly replay?: string;
}

/**
 * Resolves once the next stage is responsible for the batch, rejects when it is not. The promise is the
 * acknowledgement; awaiting it is the back-pressure. A rejection with PermanentError: a retry cannot help.
 * IdempotencyConflict: the key belongs to another body. Anything else: retry later.
 */
export type Deliver = (batch: Batch, note?: CommitNote) => Promise<Receipt>;

/** The batch itself is at fault, or the destination will never take it. */
export class PermanentError extends Error {
  override readonly name: string = 'PermanentError';
}

/** The batch is larger than the destination takes. Nothing was stored. */
export class BatchTooLargeError extends PermanentError {
  /** The size of the batch and the limit of the destination, in bytes. */
  readonly bytes: number;
  readonly limit: number;
  constructor(message: string, { bytes, limit, ...options }: { bytes: number; limit: number } & ErrorOptions) {
    super(message, options);
    this.bytes = bytes;
    this.limit = limit;
  }
}

/** The idempotency key was used before, with a different body. Nothing was stored. */
export class IdempotencyConflict extends PermanentError {
  readonly key: string;
  constructor(key: string) {
    super('the Idempotency-Key was used before with a different body');
    this.key = key;
  }
}

/** Nothing was stored, and a retry after `retryAfterSeconds` may help: disk full, I/O error, draining, broker unavailable. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
  readonly retryAfterSeconds: number;
  constructor(message: string, retryAfterSeconds: number, options?: ErrorOptions) {
    super(message, options);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
