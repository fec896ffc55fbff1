import type { Layout } from '../lines/layout.ts';
import type { Schemas } from '../model/schema.ts';
import type { Stream } from '../model/stream.ts';
import type { Collector } from './collector.ts';
import type { DecodeOptions } from './decode.ts';
import type { CheckOfNow } from './schema-check/schema-check.ts';

/**
 * Reads plain records of one JSON or NDJSON body quickly, and hands the valid ones to its collector. What it cannot judge goes to the
 * reference reader (json-record.ts).
 */
export interface RecordReader {
  /**
   * Accepts the records from `at` on that are in stored form and followed by one `separator`, which becomes the newline. Returns where the
   * first other record begins, or where the run was long enough for the decoder to yield. A record that the collector's check does not
   * accept is another one.
   */
  acceptRun(at: number, separator: number): number;
  /** The offset after the valid record that opens at `at`, or -1 where it cannot be judged. */
  find(at: number): number;
  /** Accepts the record found last; false, and nothing done, if its line is too long or the collector's check does not accept it. `mayOverwrite`: the byte after it. */
  accept(mayOverwrite: boolean): boolean;
  /** The same, and the record's bytes are copied: the body around it is not of lines. */
  acceptCopy(): boolean;
  /** The offset after a value at `at` that is certainly JSON and certainly not a valid record, or -1. */
  invalidEnd(at: number): number;
}

export type CreateRecordReader = (body: Buffer, collector: Collector, options: DecodeOptions) => RecordReader;

/** What a reader of a block says of a record that a reader which pauses must judge. */
export const UNJUDGED = 'unjudged';

/** What a decoder reads records by. */
export interface RecordFormat {
  readonly stream: Stream;
  readonly layout: Layout;
  readonly createReader: CreateRecordReader;
  /** Asked for each body, since a newer version may be registered at any time. */
  readonly schemas: Schemas;
  /** Asked for each body as well: the check of its records. */
  readonly checkOfNow: CheckOfNow;
}
