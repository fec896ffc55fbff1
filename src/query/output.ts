import { csvCell, plainCell } from '../lines/csv-cell.ts';
import { BYTES } from '../model/bytes.ts';
import { createFieldReader, type FieldValue, textOf } from './fields.ts';

const { QUOTE } = BYTES;

/** Writes one record that was found: the bytes [start, end) of a block, a stored line without its newline. */
export type WriteRecord = (output: OutputSlice, block: Buffer, start: number, end: number) => void;

/** Records are collected until there are so many bytes; a longer line is a slice of its own. */
export const SLICE_BYTES = 256 * 1024;

const NONE = Buffer.alloc(0);

/** The bytes of an answer that are not given yet. */
export class OutputSlice {
  #bytes = NONE;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get isFull(): boolean {
    return this.#length >= SLICE_BYTES - SLICE_BYTES / 8;
  }

  append(source: Buffer, start: number, end: number): void {
    this.#reserve(end - start);
    this.#length += source.copy(this.#bytes, this.#length, start, end);
  }

  text(text: string): void {
    this.#reserve(text.length * 3);
    this.#length += this.#bytes.write(text, this.#length);
  }

  /** The bytes, in memory that nobody else has. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = NONE;
    this.#length = 0;
    return taken;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#length + bytes, 2 * this.#bytes.length, SLICE_BYTES));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** The stored line as it is. */
export const writeLine: WriteRecord = (output, block, start, end) => output.append(block, start, end + 1);

/** `{"field":value}` with the values as they are stored, in the order of the fields; what a record does not have is left out. */
export function createFieldsWriter(fields: readonly string[]): WriteRecord {
  const readers = fields.map((name) => ({ name: `${JSON.stringify(name)}:`, read: createFieldReader(name) }));
  return function writeFields(output, block, start, end) {
    let lead = '{';
    for (const { name, read } of readers) {
      const value = read(block, start, end);
      if (value === undefined) continue;
      output.text(lead + name);
      output.append(value.bytes, value.start, value.end);
      lead = ',';
    }
    output.text(lead === '{' ? '{}\n' : '}\n');
  };
}

/** The line of names of a table (RFC 4180). */
export function csvHead(fields: readonly string[]): string {
  return `${fields.map(csvCell).join(',')}\r\n`;
}

/** A row of a table: texts as they are, other values as JSON, an empty cell for what a record does not have. */
export function createCsvWriter(fields: readonly string[]): WriteRecord {
  const readers = fields.map(createFieldReader);
  return function writeRow(output, block, start, end) {
    let row = '';
    for (const [i, read] of readers.entries()) {
      const value = read(block, start, end);
      row += `${i === 0 ? '' : ','}${value === undefined ? '' : cellOf(value)}`;
    }
    output.text(`${row}\r\n`);
  };
}

/** Only a text may be a formula: of anything else that is JSON a spreadsheet runs nothing. */
function cellOf(value: FieldValue): string {
  return value.bytes[value.start] === QUOTE ? csvCell(textOf(value)) : plainCell(textOf(value));
}
