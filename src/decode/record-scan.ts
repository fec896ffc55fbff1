// FAST PATH, made by hand for the layout ACCESS: the words below are its leads, written out. equality.test.ts holds it to the reference
// reader, which is driven by the layout.
//
// Most clients send what JSON.stringify makes of the three fields in their order. That is the stored line already, so it is checked and
// not copied: 140 ns for a record of 176 bytes, where JSON.parse alone takes 300 (bench/micro.ts).

import { InstantScan } from '../lines/instant-scan.ts';
import { ACCESS } from '../lines/layout.ts';
import { findStop, isTrimmed } from '../lines/scan-text.ts';
import type { LineWriter } from '../lines/writer.ts';
import { BYTES } from '../model/bytes.ts';
import type { DecodeOptions } from './decode.ts';
import type { RecordScanner } from './fast-reader.ts';
import { ObjectScan } from './object-scan.ts';
import { ValueScan } from './value-scan.ts';

const { CLOSE_BRACE, COMMA, OPEN_BRACE, QUOTE } = BYTES;

/** Bytes of `{"timestamp":"`, `","path":"` and `","userAgent":"`. */
const HEAD_LENGTH = 14;
const PATH_LENGTH = 10;
const USER_AGENT_LENGTH = 15;

/** The fewest bytes of a record in stored form: `{"timestamp":"2025-11-22T15:23:00Z","path":"/","userAgent":"-"}`. */
const MIN_LENGTH = HEAD_LENGTH + 20 + PATH_LENGTH + 1 + USER_AGENT_LENGTH + 1 + 2;

/** Bytes of a record that are scanned. A longer record goes to the reference reader, which yields. */
const MAX_LENGTH = 256 * 1024;

const FIELD_ENDS = ACCESS.fieldEnds;

/** Reads the access records of one body from any offset. */
export class RecordScan implements RecordScanner {
  readonly instants: InstantScan;
  /** The body's bytes as words. */
  readonly view: DataView;
  readonly fieldEnds = FIELD_ENDS;
  #objects: ObjectScan | undefined;
  #values: ValueScan | undefined;
  readonly #bytes: Uint8Array;
  readonly #keepsExtras: boolean;
  readonly #maxDepth: number;

  constructor(bytes: Buffer, { extraFields, maxDepth }: Pick<DecodeOptions, 'extraFields' | 'maxDepth'>) {
    this.#bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#keepsExtras = extraFields === 'keep';
    this.#maxDepth = maxDepth;
    this.instants = new InstantScan(bytes, this.view);
  }

  /** For records that are not in stored form. Made for the first one, since most bodies have none. */
  get #objectScan(): ObjectScan {
    this.#objects ??= new ObjectScan(this.#bytes, this.view, this.instants, this.#valueScan);
    return this.#objects;
  }

  get #valueScan(): ValueScan {
    this.#values ??= new ValueScan(this.#bytes, this.view, this.#maxDepth - 1);
    return this.#values;
  }

  recordEnd(at: number): number {
    this.#valueScan.limit = at + MAX_LENGTH;
    return this.#objectScan.recordEnd(at);
  }

  write(writer: LineWriter, extraFields: 'keep' | 'drop'): void {
    this.#objectScan.write(writer, extraFields);
  }

  invalidEnd(at: number): number {
    this.#valueScan.limit = at + MAX_LENGTH;
    const end = this.#valueScan.valueEnd(at);
    if (end === -1 || this.#bytes[at] !== OPEN_BRACE) return end;
    return this.#objectScan.recordEnd(at) === -1 && this.#objectScan.isIncomplete ? end : -1;
  }

  storedEnd(at: number): number {
    const bytes = this.#bytes;
    const view = this.view;
    if (at + MIN_LENGTH > bytes.length) return -1;
    const limit = at + MAX_LENGTH;
    // {"timestamp":"
    if (
      view.getInt32(at, true) !== 0x6974227b ||
      view.getInt32(at + 4, true) !== 0x7473656d ||
      view.getInt32(at + 8, true) !== 0x22706d61 ||
      view.getInt32(at + 10, true) !== 0x223a2270
    ) {
      return -1;
    }
    const z = this.instants.canonicalEnd(at + HEAD_LENGTH);
    // ","path":"
    if (
      z === -1 ||
      view.getInt32(z + 1, true) !== 0x70222c22 ||
      view.getInt32(z + 5, true) !== 0x22687461 ||
      view.getInt32(z + 7, true) !== 0x223a2268
    ) {
      return -1;
    }
    const path = z + 1 + PATH_LENGTH;
    const pathEnd = findStop(bytes, view, path, limit);
    // ","userAgent":"
    if (
      pathEnd === path ||
      pathEnd + USER_AGENT_LENGTH > bytes.length ||
      view.getInt32(pathEnd, true) !== 0x75222c22 ||
      view.getInt32(pathEnd + 4, true) !== 0x41726573 ||
      view.getInt32(pathEnd + 8, true) !== 0x746e6567 ||
      view.getInt32(pathEnd + 11, true) !== 0x223a2274 ||
      !isTrimmed(bytes, path, pathEnd)
    ) {
      return -1;
    }
    const userAgent = pathEnd + USER_AGENT_LENGTH;
    const end = findStop(bytes, view, userAgent, limit);
    if (end === userAgent || bytes[end] !== QUOTE || !isTrimmed(bytes, userAgent, end)) return -1;
    FIELD_ENDS[0] = z + 1;
    FIELD_ENDS[1] = pathEnd;
    FIELD_ENDS[2] = end;
    if (bytes[end + 1] === CLOSE_BRACE) return end + 2;
    if (bytes[end + 1] !== COMMA || !this.#keepsExtras) return -1;
    this.#valueScan.limit = limit;
    return this.#objectScan.storedExtrasEnd(end + 1);
  }
}
