import type { InstantScan } from '../lines/instant-scan.ts';
import type { LineWriter } from '../lines/writer.ts';
import { BYTES } from '../model/bytes.ts';
import type { Collector } from './collector.ts';
import type { DecodeOptions } from './decode.ts';
import type { RecordReader } from './record-reader.ts';

const { NEWLINE } = BYTES;

/** Bytes after which a run returns, so that the decoder can yield: a fraction of a millisecond of work. */
const RUN_BYTES = 256 * 1024;
/** The same where each line is checked by a schema. */
const CHECKED_RUN_BYTES = 32 * 1024;

/** Scans the records of one body from any offset. record-scan.ts is made for access records, layout-scan.ts for those of any layout. */
export interface RecordScanner {
  /** Its `hour` is that of the record found last. */
  readonly instants: InstantScan;
  /** The body's bytes as words. */
  readonly view: DataView;
  /**
   * Those of the layout: of the record that storedEnd found last, in the body; after `write`, of the line that was written, in the writer's
   * bytes. Scanners of other bodies write there too.
   */
  readonly fieldEnds: Int32Array;
  /** The offset after the record at `at` if it is in stored form but for the newline; else -1. */
  storedEnd(at: number): number;
  /** The offset after the record at `at`, or -1 where the scanner cannot judge it. */
  recordEnd(at: number): number;
  /** Writes the stored line of the record that recordEnd found last. */
  write(writer: LineWriter, extraFields: 'keep' | 'drop'): void;
  /**
   * The offset after a value at `at` that is certainly JSON and certainly not a valid record: any value but an object, or an object that
   * lacks a field. Else -1.
   */
  invalidEnd(at: number): number;
}

/** Reads the records of one JSON or NDJSON body by a scanner. */
export class FastReader implements RecordReader {
  readonly #body: Buffer;
  readonly #scan: RecordScanner;
  readonly #collector: Collector;
  readonly #options: DecodeOptions;
  /** Where a run stopped, and what storedEnd returned there, so that the record is not scanned twice. */
  #stoppedAt = -1;
  #stoppedEnd = -1;
  /** Of the record found last. */
  #start = -1;
  #end = -1;
  #isStored = false;

  constructor(body: Buffer, scan: RecordScanner, collector: Collector, options: DecodeOptions) {
    this.#body = body;
    this.#scan = scan;
    this.#collector = collector;
    this.#options = options;
  }

  /** FAST PATH. Returns where the first other record begins, or where RUN_BYTES end. */
  acceptRun(at: number, separator: number): number {
    const body = this.#body;
    const scan = this.#scan;
    const collector = this.#collector;
    const { check, window } = collector;
    const { maxRecordBytes } = this.#options;
    const stop = at + (check === undefined ? RUN_BYTES : CHECKED_RUN_BYTES);
    let start = at;
    let count = 0;
    while (start < stop) {
      const end = scan.storedEnd(start);
      if (
        end === -1 ||
        body[end] !== separator ||
        end - start >= maxRecordBytes ||
        !window.holds(scan.instants.hour, body, start) ||
        (check !== undefined && !check.acceptsFields(body, scan.view, start, end, scan.fieldEnds))
      ) {
        this.#stoppedAt = start;
        this.#stoppedEnd = end;
        break;
      }
      if (collector.keepsLines) {
        body[end] = NEWLINE;
        collector.lines.addInPlace(scan.instants.hour, start, end + 1);
      }
      count++;
      start = end + 1;
    }
    if (!collector.keepsLines) collector.lines.countOther(start - at);
    collector.accept(count);
    return start;
  }

  find(at: number): number {
    let end = at === this.#stoppedAt ? this.#stoppedEnd : this.#scan.storedEnd(at);
    this.#isStored = end !== -1;
    if (end === -1) end = this.#scan.recordEnd(at);
    this.#start = at;
    this.#end = end;
    return end;
  }

  accept(mayOverwrite: boolean): boolean {
    const collector = this.#collector;
    if (!this.#isStored || !mayOverwrite) {
      return this.#addCopy();
    }
    const { check } = collector;
    if (this.#end - this.#start >= this.#options.maxRecordBytes) return false;
    if (!collector.window.holds(this.#scan.instants.hour, this.#body, this.#start)) return collector.rejectsUnlisted();
    if (check !== undefined && !check.accepts(this.#body, this.#scan.view, this.#start, this.#end)) return false;
    if (collector.keepsLines) {
      this.#body[this.#end] = NEWLINE;
      collector.lines.addInPlace(this.#scan.instants.hour, this.#start, this.#end + 1);
    } else {
      collector.lines.countOther(this.#end + 1 - this.#start);
    }
    collector.accept(1);
    return true;
  }

  acceptCopy(): boolean {
    const collector = this.#collector;
    const scan = this.#scan;
    const { check, lines } = collector;
    const { writer } = lines;
    const used = writer.used;
    const start = this.#start;
    const end = this.#end;
    if (
      !this.#isStored ||
      !collector.keepsLines ||
      end - start >= this.#options.maxRecordBytes ||
      !collector.window.holds(scan.instants.hour, this.#body, start) ||
      (check !== undefined && !check.acceptsFields(this.#body, scan.view, start, end, scan.fieldEnds))
    ) {
      return this.#addCopy();
    }
    this.#write();
    lines.addWritten(scan.instants.hour, used);
    collector.accept(1);
    return true;
  }

  invalidEnd(at: number): number {
    return this.#scan.invalidEnd(at);
  }

  #addCopy(): boolean {
    const collector = this.#collector;
    const { fieldEnds, instants } = this.#scan;
    const { used } = collector.lines.writer;
    this.#write();
    return collector.addWritten(instants.hour, used, this.#isStored ? undefined : fieldEnds);
  }

  #write(): void {
    const { writer } = this.#collector.lines;
    if (!this.#isStored) {
      this.#scan.write(writer, this.#options.extraFields);
      return;
    }
    writer.reserve(this.#end - this.#start + 1);
    writer.slice(this.#scan.view, this.#start, this.#end);
    writer.byte(NEWLINE);
  }
}
