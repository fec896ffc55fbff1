/**
 * The generator: makes records, encodes and frames them, and sends them. It shares nothing with a service but the formats, so it can load
 * any program that reads logs.
 *
 *   records ─► encode ─► batch ─► send
 *   one record  bytes     frames   a connection, a file
 *
 * Here are the words of its flags and what the parts hand to each other. `run.ts` puts the parts together.
 */

export const TRANSPORTS = ['http', 'tcp', 'tls', 'udp', 'unixsock', 'unixgram', 'fifo', 'file', 'stdout'] as const;
export type Transport = (typeof TRANSPORTS)[number];

export const FORMATS = ['json', 'ndjson', 'csv', 'combined', 'proto', 'avro', 'raw', 'syslog', 'journald'] as const;
export type Format = (typeof FORMATS)[number];

/** How records follow each other. `single`: each is a datagram, with nothing around it. `body`: as POST /logs takes them in this format. */
export const FRAMINGS = ['newline', 'octet-counted', 'universal', 'single', 'body'] as const;
export type Framing = (typeof FRAMINGS)[number];
/** Those that a user may ask for. */
export const STREAM_FRAMINGS = ['newline', 'octet-counted', 'universal'] as const satisfies readonly Framing[];

/**
 * What a record is. `events`: of an application, with user, request and duration. `entry`: its four required fields alone. `access`: of a web
 * server. `producer`: source, Unix seconds, level and message.
 */
export const RECORD_KINDS = ['events', 'entry', 'access', 'producer'] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** By name, in the order in which they are written. */
export type Fields = Readonly<Record<string, string | number>>;

export interface GeneratedRecord {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly fields: Fields;
}

/** Gives the next record, with this time, in milliseconds since 1970. */
export type NextRecord = (at: number) => GeneratedRecord;

/** Makes the bytes of one record, without a frame. */
export interface Encoding {
  /** The first byte of a universal frame. */
  readonly kind: number;
  /** Stands once before the records of a connection, a file or a body: the header of CSV. Mostly empty. */
  readonly head: string;
  /** Throws EncodeError for a record that the format or its schema cannot hold. */
  encode(record: GeneratedRecord): Buffer;
  /** The time as it stands in the bytes of a record, always of the same length; undefined where it does not stand there as text. */
  readonly stamp?: ((at: number) => string) | undefined;
  /** Of the bodies of POST /logs; undefined where it does not take the format. */
  readonly body?: BodyForm | undefined;
}

export interface BodyForm {
  readonly contentType: string;
  /** What stands before and after the record at `index`. */
  around(payloads: readonly Buffer[], index: number): readonly [before: string | Buffer, after: string | Buffer];
}

/** A record does not fit the format or its schema. The message says which field. */
export class EncodeError extends Error {
  override readonly name = 'EncodeError';
}

/** Whole frames. */
export interface Batch {
  readonly bytes: Buffer;
  readonly records: number;
  /** The offset after each frame. */
  readonly ends: Uint32Array;
}

/** What became of the records of a batch, and why where not all were sent. */
export interface Outcome {
  /** Handed to the operating system, or accepted by the service. */
  readonly sent: number;
  readonly failed: number;
  /** Were being written into a connection when it broke. They are not sent again, so none is doubled. */
  readonly unsure: number;
  /** Of the records that were sent. */
  readonly bytes: number;
  readonly problem?: string | undefined;
  /** Some of `sent` were doubted before the batch ended. */
  readonly isDoubted?: boolean | undefined;
}

/** Records that are unsure after they were counted as sent. */
export interface Doubt {
  readonly records: number;
  readonly bytes: number;
  /** Those whose outcome said that all their records were sent. */
  readonly batches: number;
}

/** One connection, file or socket of a producer. One call of `send` at a time. */
export interface Sender {
  /** Never rejects. The bytes belong to the caller again when it resolves. */
  send(batch: Batch): Promise<Outcome>;
  /** What was sent is given to the operating system. Resolves within a second where the other side does not close. */
  close(): Promise<void>;
  /** Ends a `send` that hangs; its records are unsure. */
  destroy(): void;
}

/** What all senders of a run have. */
export interface SendContext {
  /** Attempts after the first. */
  readonly retries: number;
  /** Of each connection or file. */
  readonly head: Buffer;
  /** Aborted when the run stops: then nothing is tried again. */
  readonly stopped: AbortSignal;
  /** A fault, of which many may come. */
  readonly notify: (message: string) => void;
  /** What is said once. */
  readonly warn: (message: string) => void;
  /** What was reported as sent is unsure: its connection broke a moment later. */
  readonly doubt: (doubt: Doubt) => void;
  /** Milliseconds; resolves early when the run stops. */
  readonly wait: (ms: number) => Promise<void>;
}
