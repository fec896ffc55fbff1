// FAST PATH. The extra fields of one record, for the scanners of any layout: where they stand in the bytes, and writing them from there.

import type { LineWriter } from '../lines/writer.ts';
import { BYTES, isWhite } from '../model/bytes.ts';
import type { ValueScan } from './value-scan.ts';

const { COLON, COMMA, QUOTE } = BYTES;

const MAX_EXTRAS = 16;
/** For each extra field: where its name with quotes and its value begin and end, and whether white space is in the value. */
const EXTRA_INTS = 5;

export class ExtraFields {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #values: ValueScan;
  readonly #extras = new Int32Array(MAX_EXTRAS * EXTRA_INTS);
  #count = 0;

  constructor(bytes: Uint8Array, view: DataView, values: ValueScan) {
    this.#bytes = bytes;
    this.#view = view;
    this.#values = values;
  }

  clear(): void {
    this.#count = 0;
  }

  /**
   * Notes an extra field and gives the offset after its value; -1 where the reference reader must judge: the name stands twice, there are
   * more than 16, or the value is not certainly valid. `at` is its name's opening quote.
   */
  add(at: number, nameEnd: number, valueStart: number): number {
    if (this.#count === MAX_EXTRAS || this.#isKnown(at, nameEnd)) return -1;
    const values = this.#values;
    const sawWhite = values.sawWhite;
    values.sawWhite = false;
    const valueEnd = values.valueEnd(valueStart);
    if (valueEnd === -1) return -1;
    const extra = this.#count++ * EXTRA_INTS;
    const extras = this.#extras;
    extras[extra] = at;
    extras[extra + 1] = nameEnd;
    extras[extra + 2] = valueStart;
    extras[extra + 3] = valueEnd;
    extras[extra + 4] = values.sawWhite ? 1 : 0;
    values.sawWhite ||= sawWhite;
    return valueEnd;
  }

  write(writer: LineWriter): void {
    const extras = this.#extras;
    for (let extra = 0; extra < this.#count * EXTRA_INTS; extra += EXTRA_INTS) {
      const valueStart = extras[extra + 2] as number;
      const valueEnd = extras[extra + 3] as number;
      writer.byte(COMMA);
      writer.slice(this.#view, extras[extra] as number, extras[extra + 1] as number);
      writer.byte(COLON);
      if (extras[extra + 4] === 0) writer.slice(this.#view, valueStart, valueEnd);
      else this.#writeTokens(writer, valueStart, valueEnd);
    }
  }

  #isKnown(start: number, end: number): boolean {
    const bytes = this.#bytes;
    for (let extra = 0; extra < this.#count * EXTRA_INTS; extra += EXTRA_INTS) {
      const knownStart = this.#extras[extra] as number;
      if ((this.#extras[extra + 1] as number) - knownStart !== end - start) continue;
      let i = start;
      while (i < end && bytes[i] === bytes[knownStart + i - start]) i++;
      if (i === end) return true;
    }
    return false;
  }

  /** A valid value without the white space between its tokens. */
  #writeTokens(writer: LineWriter, start: number, end: number): void {
    const bytes = this.#bytes;
    for (let i = start; i < end; ) {
      const byte = bytes[i] as number;
      if (byte === QUOTE) {
        const stringEnd = this.#values.stringEnd(i);
        writer.slice(this.#view, i, stringEnd);
        i = stringEnd;
      } else {
        if (!isWhite(byte)) writer.byte(byte);
        i++;
      }
    }
  }
}
