import type { StreamName } from '../model/stream.ts';

/** What is sent to another service at once. */
export interface Parcel {
  readonly stream: StreamName;
  /** Idempotency-Key: 1–255 visible ASCII characters. */
  readonly key: string;
  readonly body: Buffer;
  readonly contentType: string;
  /** Name of the service's mapping by which the body is read. Absent: none. */
  readonly map?: string | undefined;
}

/** The outcome of a parcel that the service took. */
export interface Sent {
  /** Records stored by this request, or by the first one with its key. */
  readonly accepted: number;
  /** The key was known: nothing was stored again. */
  readonly duplicate: boolean;
  /** Records that the service refused, with their place in the body; at most the first 100 of them are listed. */
  readonly rejections: readonly { readonly index: number; readonly reason: string }[];
  readonly rejected: number;
}

/**
 * Sends a parcel to POST /logs or /logs/{stream}. Tries again, with growing pauses and never before the time that the service asks for, while
 * it is busy or unavailable (408, 429, 5xx, no connection): so often as the sender was told, or for ever. Rejects with RefusedError, with GaveUpError,
 * with the reason of the signal, or with an Error where an answer cannot be read.
 */
export interface ServiceSender {
  send(parcel: Parcel): Promise<Sent>;
  /** Ends the requests under way; a `send` after it rejects. */
  close(): void;
}

/** Lines of one file for a store of lines. */
export interface LineParcel {
  readonly host: string;
  readonly file: string;
  /** Which of the files that had this name: another one never overwrites its lines. Absent: none is named. */
  readonly generation?: string | undefined;
  /** Of the first line, from 0. */
  readonly number: number;
  /** Whole lines with their newlines; the last may have none. A CR before it belongs to the line. */
  readonly bytes: Buffer;
}

export interface SentLines {
  readonly stored: number;
  /** Lines that the store refused for their own sake, the others being stored. */
  readonly refused: readonly RefusedLine[];
}

export interface RefusedLine {
  /** In its file, from 0. */
  readonly number: number;
  readonly reason: string;
  /** A view of the parcel, without the newline. */
  readonly bytes: Buffer;
}

/** Sends lines to POST /store/batch, which overwrites a line that it has: so they need no keys. Tries again and rejects as ServiceSender does. */
export interface StoreSender {
  send(parcel: LineParcel): Promise<SentLines>;
  close(): void;
}

/** How to talk TLS to a service: options of node:tls. Empty: as Node.js does by itself. */
export interface ServiceTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized?: false;
}

/** A file to which lines of NDJSON are appended. */
export interface AppendedFile<Line> {
  /** What an earlier run left at its end, and what was done about it; undefined: nothing. For people. */
  readonly mended: string | undefined;
  /**
   * Resolves when the lines are in the file and synced; calls at the same time share a sync. Rejects, naming the file, when it cannot be
   * written; it may be called again then.
   */
  add(lines: readonly Line[]): Promise<void>;
  /** After the calls under way. */
  close(): Promise<void>;
}

/** A line of a file that could not be read, or that the service refused for its own sake. */
export interface Reject {
  /** Unix time in milliseconds. */
  readonly time: number;
  readonly file: string;
  /** Of the line in its file, from 1. */
  readonly number: number;
  readonly reason: string;
  readonly bytes: Buffer;
}

/** The service refused a parcel for its own sake: sending it again does not help. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  /** HTTP status of the answer, the reason that it gave, and the last part of its problem type, such as `too-many-hours`; empty without. */
  readonly status: number;
  readonly detail: string;
  readonly type: string;
  constructor(status: number, detail: string, type = '') {
    super(`the service refused a batch with ${status}: ${detail || 'no reason given'}`);
    this.status = status;
    this.detail = detail;
    this.type = type;
  }

  /** Half of the parcel may be taken where the whole is not: its bytes, or its hours, are too many. */
  get mayPassInParts(): boolean {
    return this.status === 413 || this.type === 'too-many-hours';
  }
}

/** The sender was told to try no more. */
export class GaveUpError extends Error {
  override readonly name = 'GaveUpError';
  /** A request was sent whole and its answer was lost: the service may have stored the parcel. */
  readonly mayBeStored: boolean;
  constructor(message: string, { mayBeStored, ...options }: { readonly mayBeStored: boolean } & ErrorOptions) {
    super(message, options);
    this.mayBeStored = mayBeStored;
  }
}
