import { Parser } from 'csv-parse';

/** Bytes that are read without a pause: a millisecond or two. */
const STEP = 64 * 1024;
/** The parser needs these bytes before it reports a row; it skips the empty lines. */
const ROW_END = Buffer.from('\r\n\r\n');

/**
 * Rows read by csv-parse: those with doubled quotes in their values. One parser reads all rows of a body, since making a parser
 * takes as long as reading five rows.
 */
export class ParsedRows {
  #parser: Parser | undefined;
  #values: string[] | undefined;

  /**
   * The values of the row at [start, end), its line end not included. The row must be well-formed and not empty: csv-parse reads
   * a NUL after a closing quote as the end of the text, and a fault makes the parser unusable.
   */
  *read(bytes: Buffer, start: number, end: number): Generator<undefined, string[], undefined> {
    this.#parser ??= this.#createParser();
    const parser = this.#parser;
    this.#values = undefined;
    let at = start;
    for (; end - at > STEP; at += STEP) {
      parser.write(bytes.subarray(at, at + STEP));
      yield;
    }
    parser.write(Buffer.concat([bytes.subarray(at, end), ROW_END]));
    if (this.#values === undefined) {
      throw new Error(`cannot read row bytes=${end - start}: csv-parse gave none`, { cause: parser.errored });
    }
    return this.#values;
  }

  #createParser(): Parser {
    const parser = new Parser({
      relax_column_count: true,
      record_delimiter: ['\r\n', '\n'],
      skip_empty_lines: true,
      encoding: 'utf8',
      // Called within `write`; nothing is left for a reader of the stream.
      on_record: (values: string[]) => {
        this.#values = values;
        return null;
      },
    });
    // `read` throws a fault; the event comes later.
    parser.on('error', () => undefined);
    return parser;
  }
}
