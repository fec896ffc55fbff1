// FAST PATH. The figures stand at fast-text.ts.

import type { LineWriter } from '../../lines/writer.ts';
import { BYTES } from '../../model/bytes.ts';
import { readStructuredData } from './structured-data.ts';

const { BACKSLASH, CLOSE_BRACKET, EQUALS, QUOTE, SPACE } = BYTES;

const MAX_NAME_LENGTH = 64;
/** Structured data that are longer go to the reference reader. */
const MAX_LENGTH = 1_024;
/** Bytes of `{"":{"":""}}`. */
const ONE_OVERHEAD = 12;

/**
 * Finds the structured data of RFC 5424 and writes them as structured-data.ts does. Senders have the same data in every message
 * (`[timeQuality tzKnown="1" isSynced="1"]`), or a number (`[meta sequenceId="12"]`): those that are the same as in the message before are known,
 * and one element with one parameter is read here. All others are read by the reference, and known from then on.
 */
export class FastData {
  /** Where the data end that were read last: at a space, or at the end of the text. */
  end = 0;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #isOne = false;
  // Of one element with one parameter.
  #idStart = 0;
  #idEnd = 0;
  #nameEnd = 0;
  #valueEnd = 0;
  // The data that are known: their bytes, and their JSON.
  #known = Buffer.alloc(0);
  #json = new DataView(new ArrayBuffer(0));

  constructor(bytes: Buffer, view: DataView) {
    this.#bytes = bytes;
    this.#view = view;
  }

  /** Reads the data that begin with the bracket at `start`; false where the reference reader must judge the text, which ends at `end`. */
  read(start: number, end: number): boolean {
    this.#isOne = false;
    if (this.#isKnown(start, end)) {
      this.end = start + this.#known.length;
      return true;
    }
    this.#isOne = this.#readOne(start, end);
    return this.#isOne || this.#learn(start, end);
  }

  /** The most bytes of the JSON of the data that were read last. */
  get mostBytes(): number {
    return this.#isOne ? this.#valueEnd - this.#idStart + ONE_OVERHEAD : this.#json.byteLength;
  }

  write(writer: LineWriter): void {
    if (!this.#isOne) {
      writer.slice(this.#json, 0, this.#json.byteLength);
      return;
    }
    writer.ascii('{"');
    writer.slice(this.#view, this.#idStart, this.#idEnd);
    writer.ascii('":{"');
    writer.slice(this.#view, this.#idEnd + 1, this.#nameEnd);
    writer.ascii('":"');
    writer.slice(this.#view, this.#nameEnd + 2, this.#valueEnd);
    writer.ascii('"}}');
  }

  #isKnown(start: number, end: number): boolean {
    const known = this.#known;
    const bytes = this.#bytes;
    const { length } = known;
    // What follows tells that they end there.
    if (length === 0 || start + length >= end || bytes[start + length] !== SPACE) return false;
    for (let i = 0; i < length; i++) if (known[i] !== bytes[start + i]) return false;
    return true;
  }

  /** `[id name="value"]` */
  #readOne(start: number, end: number): boolean {
    const bytes = this.#bytes;
    const idEnd = this.#nameOf(start + 1, end);
    if (idEnd === -1 || bytes[idEnd] !== SPACE) return false;
    const nameEnd = this.#nameOf(idEnd + 1, end);
    if (nameEnd === -1 || bytes[nameEnd] !== EQUALS || bytes[nameEnd + 1] !== QUOTE) return false;
    let at = nameEnd + 2;
    while (at < end && isPrintable(bytes[at] as number)) at++;
    if (at + 1 >= end || bytes[at] !== QUOTE || bytes[at + 1] !== CLOSE_BRACKET) return false;
    if (at + 2 < end && bytes[at + 2] !== SPACE) return false;
    this.#idStart = start + 1;
    this.#idEnd = idEnd;
    this.#nameEnd = nameEnd;
    this.#valueEnd = at;
    this.end = at + 2;
    return true;
  }

  /** Where a name ends; -1 where none stands at `start`. */
  #nameOf(start: number, end: number): number {
    const bytes = this.#bytes;
    let at = start;
    for (; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte === SPACE || byte === EQUALS || byte === CLOSE_BRACKET || !isPrintable(byte)) break;
    }
    return at === start || at - start > MAX_NAME_LENGTH || at === end ? -1 : at;
  }

  #learn(start: number, end: number): boolean {
    const text = this.#bytes.toString('latin1', start, Math.min(end, start + MAX_LENGTH));
    const data = readStructuredData(text, 0);
    // What ends at the end of the text may go on beyond it.
    if (data?.json === undefined || data.end === text.length) return false;
    const bytes = this.#bytes.subarray(start, start + data.end);
    for (let i = 0; i < bytes.length; i++) if ((bytes[i] as number) > 0x7f) return false;
    const json = Buffer.from(data.json, 'latin1');
    this.#json = new DataView(json.buffer, json.byteOffset, json.length);
    this.#known = Buffer.from(bytes);
    this.end = start + data.end;
    return true;
  }
}

/** ASCII that stands for itself in JSON. */
function isPrintable(byte: number): boolean {
  return byte >= SPACE && byte < 0x7f && byte !== QUOTE && byte !== BACKSLASH;
}
