// FAST PATH. What consecutive lines share stands ready as it is stored: their minute, and their method with the protocol. Each is one copy.

import { BYTES, isDigit } from '../../../model/bytes.ts';
import { readBracketTime } from './bracket-time.ts';
import { viewOf } from './line-bytes.ts';

const { COLON, ZERO } = BYTES;

/** Of `05/Mar/2026:10:00:01 +0000`. */
export const TIME_LENGTH = 26;
/** Where the words of a time begin that say the minute and the zone. */
const MINUTE_WORDS = [0, 4, 8, 12, 13, 20, 22];
const INSTANT = '2026-03-05T10:00:01Z';
const SECONDS_AT = '{"timestamp":"2026-03-05T10:00:'.length;

/** `{"timestamp":"2026-03-05T10:00:01Z","path":"` */
export class TimeHead {
  readonly view: DataView = viewOf(Buffer.from(`{"timestamp":"${INSTANT}","path":"`));
  readonly length: number = this.view.byteLength;
  readonly #key = new Int32Array(MINUTE_WORDS.length);

  /** Takes the TIME_LENGTH bytes at `at`; false where they are not a time of this form, or not in a minute of 60 seconds. */
  set(bytes: Buffer, view: DataView, at: number): boolean {
    const key = this.#key;
    const tens = view.getUint8(at + 18);
    const ones = view.getUint8(at + 19);
    if (view.getUint8(at + 17) !== COLON || tens < ZERO || tens > ZERO + 5 || !isDigit(ones)) return false;
    const isSame =
      view.getInt32(at + 13, true) === key[4] &&
      view.getInt32(at + 12, true) === key[3] &&
      view.getInt32(at + 8, true) === key[2] &&
      view.getInt32(at + 4, true) === key[1] &&
      view.getInt32(at, true) === key[0] &&
      view.getInt32(at + 20, true) === key[5] &&
      view.getInt32(at + 22, true) === key[6];
    if (!isSame && !this.#readMinute(bytes, view, at)) return false;
    this.view.setUint8(SECONDS_AT, tens);
    this.view.setUint8(SECONDS_AT + 1, ones);
    return true;
  }

  #readMinute(bytes: Buffer, view: DataView, at: number): boolean {
    const text = bytes.toString('latin1', at, at + TIME_LENGTH);
    if (text[2] !== '/' || text[11] !== ':' || text[20] !== ' ') return false;
    const instant = readBracketTime(`${text.slice(0, 18)}00${text.slice(20)}`, 0);
    if (instant?.length !== INSTANT.length) return false;
    for (const [i, offset] of MINUTE_WORDS.entries()) this.#key[i] = view.getInt32(at + offset, true);
    for (let i = 0; i < INSTANT.length; i++)
      this.view.setUint8(SECONDS_AT - '2026-03-05T10:00:'.length + i, instant.charCodeAt(i));
    return true;
  }
}

const STATUS_DIGITS = 3;

/** `","method":"GET","protocol":"HTTP/1.1","status":200,"bytes":` */
export class RequestHead {
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Up to the end of the status. */
  length = 0;
  /** With the name of `bytes`. */
  lengthWithBytes = 0;
  #methodLength = 0;
  #method = 0;
  #methodEnd = 0;
  #protocolLength = 0;
  #protocol = 0;
  #version = 0;

  /** Takes the method, which a blank follows, the protocol and the status, of three digits. */
  set(
    bytes: Buffer,
    view: DataView,
    { methodStart, methodEnd, protocolStart, requestEnd }: Readonly<RequestPlaces>,
  ): void {
    const isSame =
      methodEnd - methodStart === this.#methodLength &&
      requestEnd - protocolStart === this.#protocolLength &&
      view.getInt32(methodStart, true) === this.#method &&
      view.getInt32(methodEnd - 3, true) === this.#methodEnd &&
      view.getInt32(protocolStart, true) === this.#protocol &&
      view.getInt32(requestEnd - 4, true) === this.#version;
    if (!isSame) this.#read(bytes, view, { methodStart, methodEnd, protocolStart, requestEnd });
    const status = this.length - STATUS_DIGITS;
    // After the quote and a blank.
    for (let i = 0; i < STATUS_DIGITS; i++) this.view.setUint8(status + i, view.getUint8(requestEnd + 2 + i));
  }

  #read(bytes: Buffer, view: DataView, { methodStart, methodEnd, protocolStart, requestEnd }: RequestPlaces): void {
    const method = bytes.toString('latin1', methodStart, methodEnd);
    const protocol = bytes.toString('latin1', protocolStart, requestEnd);
    const head = `","method":"${method}","protocol":"${protocol}","status":200`;
    this.view = viewOf(Buffer.from(`${head},"bytes":`));
    this.length = head.length;
    this.lengthWithBytes = this.view.byteLength;
    // The two words of a longer method do not cover it: it never equals.
    this.#methodLength = method.length <= MAX_METHOD ? method.length : -1;
    this.#method = view.getInt32(methodStart, true);
    this.#methodEnd = view.getInt32(methodEnd - 3, true);
    this.#protocolLength = protocol.length;
    this.#protocol = view.getInt32(protocolStart, true);
    this.#version = view.getInt32(requestEnd - 4, true);
  }
}

/** Four bytes at its start, and three at its end with the blank. */
const MAX_METHOD = 7;

/** Offsets in the bytes. */
export interface RequestPlaces {
  methodStart: number;
  methodEnd: number;
  protocolStart: number;
  requestEnd: number;
}
