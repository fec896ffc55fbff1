import { Lines } from '../lines/chunker.ts';
import {
  type Decoded,
  type DecodeOptions,
  MAX_LISTED_REJECTIONS,
  MAX_SKIPPED,
  MalformedBodyError,
  type Rejection,
} from './decode.ts';
import type { RecordFault, StoredRecord } from './record.ts';

/** The result of decoding one body: its lines, and the rejections with their reasons. */
export class Collector {
  /** The number that messages give the record that is added next. */
  index: number;
  /** Where valid records go, as long as `keepsLines`. */
  readonly lines: Lines;
  /** False once a rejection has failed the batch: its records are still judged and counted. */
  keepsLines = true;
  /** Whether the next rejection will be listed, so that its reason is needed. */
  isListing = true;
  readonly #noun: 'record' | 'row';
  readonly #skips: boolean;
  readonly #rejections: Rejection[] = [];
  #accepted = 0;
  #rejected = 0;

  /** `noun`: what the format calls a record in a message. `expected`: bytes of lines that will not be in the body. */
  constructor(body: Buffer, options: DecodeOptions, noun: 'record' | 'row', expected: number) {
    this.lines = new Lines(body, expected);
    this.index = 0;
    this.#noun = noun;
    this.#skips = options.invalid === 'skip';
  }

  /** Counts records that are in `lines` already, or would be if lines were kept. */
  accept(count: number): void {
    this.index += count;
    this.#accepted += count;
  }

  /** Counts a rejected record whose reason is not needed. */
  reject(): void {
    this.index++;
    this.#rejected++;
  }

  /** `raw` is called only if the record is rejected and listed. */
  add(result: StoredRecord | RecordFault, raw: () => string): void {
    if ('problem' in result) {
      this.#rejectFor(result, raw);
    } else {
      if (this.keepsLines) this.lines.addText(result.hour, result.line);
      this.accept(1);
    }
  }

  /** Yields every few milliseconds of work. */
  *finish(): Generator<undefined, Decoded, undefined> {
    if (this.#accepted + this.#rejected === 0) throw new MalformedBodyError('no log records provided');
    return {
      batch: this.keepsLines ? yield* this.lines.toBatch() : [],
      accepted: this.#accepted,
      rejections: this.#rejections,
      rejected: this.#rejected,
    };
  }

  #rejectFor({ field, problem }: RecordFault, raw: () => string): void {
    const index = this.index;
    this.reject();
    if (!this.#skips) this.keepsLines = false;
    if (this.isListing) {
      this.#rejections.push({ index, field, reason: `${this.#noun} ${index} ${problem}`, raw: raw() });
      if (!this.#skips) this.isListing = this.#rejections.length < MAX_LISTED_REJECTIONS;
    }
    if (this.#skips && this.#rejected > MAX_SKIPPED) {
      throw new MalformedBodyError(`more than ${MAX_SKIPPED} invalid records in one body`);
    }
  }
}
