import { Lines } from '../lines/chunker.ts';
import type { Hour } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import {
  type Decoded,
  type DecodeOptions,
  MAX_LISTED_REJECTIONS,
  MAX_SKIPPED,
  MalformedBodyError,
  type Rejection,
} from './decode.ts';
import type { RecordFault, StoredRecord } from './record.ts';
import type { RecordCheck } from './schema-check/schema-check.ts';
import { TimeWindow } from './time-window.ts';

/** Of a dead letter's line, beside its reason and its record. */
const DEAD_LETTER_BYTES = 160;
const BASE64_MARK = 'base64:';
const LONG_TEXT = 1024 * 1024;
/** `\u0001` */
const MOST_BYTES_OF_UNIT = 6;

export interface CollectorOptions extends DecodeOptions {
  readonly stream: StreamName;
  /** What the format calls a record in a message. */
  readonly noun: 'record' | 'row';
  /** Bytes of lines that will not be in the body, about. */
  readonly expected: number;
  /** Judges every line; undefined where the stream has no schema. */
  readonly check: RecordCheck | undefined;
}

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
  /** Records that came by `add`: those that no fast path could take. */
  judged = 0;
  /** A reader that adds lines to `lines` itself asks it first, and leaves a line that it does not accept to `add`. */
  readonly check: RecordCheck | undefined;
  /** The same: a line of another time is not accepted. */
  readonly window: TimeWindow;
  readonly #maxRecordBytes: number;
  /** What the format calls a record; undefined: reasons do not say which it is. */
  readonly #noun: 'record' | 'row' | undefined;
  readonly #mayBeEmpty: boolean;
  readonly #skips: boolean;
  readonly #rejections: Rejection[] = [];
  #accepted = 0;
  #rejected = 0;

  constructor(body: Buffer, options: CollectorOptions) {
    const { noun, expected } = options;
    this.lines = new Lines(options.stream, body, expected, options);
    this.index = 0;
    this.check = options.check;
    this.window = new TimeWindow(options);
    this.#maxRecordBytes = options.maxRecordBytes;
    this.#noun = options.isBlock === true ? undefined : noun;
    this.#mayBeEmpty = options.isBlock === true;
    this.#skips = options.invalid === 'skip';
  }

  /** Valid records so far. */
  get accepted(): number {
    return this.#accepted;
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

  /** The same for a record that is certainly invalid: false, and nothing is done, where its reason is needed. */
  rejectsUnlisted(): boolean {
    if (!this.isListing) this.reject();
    return !this.isListing;
  }

  /**
   * Whether the record is valid. `raw` is called only if it is rejected and listed. `contentType`: of a body of one record, where the format
   * is binary.
   */
  add(result: StoredRecord | RecordFault, raw: () => string, contentType?: string): boolean {
    this.judged++;
    const fault = 'problem' in result ? result : this.#addValid(result);
    if (fault !== undefined) this.#rejectFor(fault, raw, contentType);
    return fault === undefined;
  }

  /**
   * Adds the line that was written to `lines.writer` from `start` on. False, and the line is gone, where it is too long, of a time that is not taken, or its
   * schema does not certainly accept it: then `add` judges it. `fieldEnds`: those of the layout, if the line was written with them.
   */
  addWritten(hour: Hour, start: number, fieldEnds?: Int32Array): boolean {
    const { check, lines } = this;
    const { writer } = lines;
    const { bytes, view, used } = writer;
    if (!this.window.holds(hour, bytes, start)) {
      writer.used = start;
      return this.rejectsUnlisted();
    }
    const length = used - start;
    const fits =
      length <= this.#maxRecordBytes &&
      (check === undefined ||
        (fieldEnds === undefined
          ? check.accepts(bytes, view, start, used)
          : check.acceptsFields(bytes, view, start, used, fieldEnds)));
    if (fits && this.keepsLines) lines.addWritten(hour, start);
    else {
      writer.used = start;
      if (fits) lines.countOther(length);
    }
    if (fits) this.accept(1);
    return fits;
  }

  /** Gives what is wrong with it, after all. */
  #addValid(record: StoredRecord): RecordFault | undefined {
    const { check } = this;
    const outside = this.window.faultOf(record.hour, record.line);
    if (outside !== undefined) return outside;
    if (check !== undefined) {
      const { writer } = this.lines;
      const start = writer.used;
      writer.text(record.line);
      if (this.addWritten(record.hour, start)) return undefined;
      const fault = check.faultOf(record.line);
      if (fault !== undefined) return fault;
    }
    this.#addLine(record);
    return undefined;
  }

  #addLine({ hour, line }: StoredRecord): void {
    if (this.keepsLines) this.lines.addText(hour, line);
    else this.lines.countOther(Buffer.byteLength(line));
    this.accept(1);
  }

  /** Yields every few milliseconds of work. */
  *finish(): Generator<undefined, Decoded, undefined> {
    if (this.#accepted + this.#rejected === 0) {
      if (!this.#mayBeEmpty) throw new MalformedBodyError('no log records provided');
      return { batch: [], accepted: 0, rejections: [], rejected: 0 };
    }
    return {
      batch: this.keepsLines ? yield* this.lines.toBatch() : [],
      accepted: this.#accepted,
      rejections: this.#rejections,
      rejected: this.#rejected,
    };
  }

  #rejectFor(
    { field, problem, bare = problem }: RecordFault,
    raw: () => string,
    contentType: string | undefined,
  ): void {
    const index = this.index;
    this.reject();
    if (!this.#skips) this.keepsLines = false;
    if (this.isListing) {
      const reason = this.#noun === undefined ? bare : `${this.#noun} ${index} ${problem}`;
      const rejection = { index, field, reason, ...describeRaw(raw(), contentType) };
      if (this.#skips) this.#countDeadLetter(rejection);
      this.#rejections.push(rejection);
      if (!this.#skips) this.isListing = this.#rejections.length < MAX_LISTED_REJECTIONS;
    }
    if (this.#skips && this.#rejected > MAX_SKIPPED) {
      throw new MalformedBodyError(`more than ${MAX_SKIPPED} invalid records in one body`);
    }
  }

  /** A dead letter is a line too, in memory and on disk, and takes up to six times the bytes of its record. */
  #countDeadLetter({ reason, raw }: Rejection): void {
    const bytes = DEAD_LETTER_BYTES + reason.length + bytesInJson(raw);
    this.lines.countOther(bytes);
    this.lines.claim(bytes);
  }
}

function describeRaw(raw: string, contentType: string | undefined): Pick<Rejection, 'raw' | 'contentType'> {
  return contentType !== undefined && raw.startsWith(BASE64_MARK) ? { raw, contentType } : { raw };
}

/** The most bytes that a text takes as a JSON string. A long one is not read: that would take too long. */
function bytesInJson(text: string): number {
  if (text.length > LONG_TEXT) return text.length * MOST_BYTES_OF_UNIT;
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20) bytes += MOST_BYTES_OF_UNIT;
    else if (unit === 0x22 || unit === 0x5c) bytes += 2;
    else bytes += unit < 0x80 ? 1 : 3;
  }
  return bytes;
}
