import { BACKSLASH } from '../model/bytes.ts';
import { HEAD, HEAD_LENGTH, PATH, PATH_LENGTH, USER_AGENT, USER_AGENT_LENGTH } from './stored-form.ts';

const NOTHING = Buffer.alloc(0);
const NO_VIEW = new DataView(NOTHING.buffer, 0, 0);

/** FAST PATH. A buffer that grows, written at its end. Room is asked for once a line, by `reserve`. */
export class Scratch {
  bytes: Buffer = NOTHING;
  /** Bytes written; set back to take back what was written last. */
  used = 0;
  view = NO_VIEW;
  readonly #expected: number;

  /** `expected`: bytes that will be written if all goes as usual. */
  constructor(expected: number) {
    this.#expected = expected;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.used + count;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2, this.#expected));
    this.bytes.copy(larger, 0, 0, this.used);
    this.bytes = larger;
    this.view = new DataView(larger.buffer, larger.byteOffset, larger.length);
  }

  byte(value: number): void {
    this.bytes[this.used++] = value;
  }

  /** `{"timestamp":"` */
  head(): void {
    const view = this.view;
    const at = this.used;
    view.setInt32(at, HEAD[0] as number, true);
    view.setInt32(at + 4, HEAD[1] as number, true);
    view.setInt32(at + 8, HEAD[2] as number, true);
    view.setInt32(at + 10, HEAD[3] as number, true);
    this.used = at + HEAD_LENGTH;
  }

  /** `","path":"` */
  path(): void {
    const view = this.view;
    const at = this.used;
    view.setInt32(at, PATH[0] as number, true);
    view.setInt32(at + 4, PATH[1] as number, true);
    view.setInt32(at + 6, PATH[2] as number, true);
    this.used = at + PATH_LENGTH;
  }

  /** `","userAgent":"` */
  userAgent(): void {
    const view = this.view;
    const at = this.used;
    view.setInt32(at, USER_AGENT[0] as number, true);
    view.setInt32(at + 4, USER_AGENT[1] as number, true);
    view.setInt32(at + 8, USER_AGENT[2] as number, true);
    view.setInt32(at + 11, USER_AGENT[3] as number, true);
    this.used = at + USER_AGENT_LENGTH;
  }

  /** [start, end) of the buffer that `from` is a view of: eight bytes at a time, for which a call of `copy` is too dear. */
  slice(from: DataView, start: number, end: number): void {
    const to = this.view;
    const shift = this.used - start;
    this.used = end + shift;
    if (end - start < 8) {
      for (let i = start; i < end; i++) to.setUint8(i + shift, from.getUint8(i));
      return;
    }
    const last = end - 8;
    for (let i = start; i < last; i += 8) to.setBigInt64(i + shift, from.getBigInt64(i, true), true);
    to.setBigInt64(last + shift, from.getBigInt64(last, true), true);
  }

  /** [start, end) of `from`; for long stretches. */
  copy(from: Buffer, start: number, end: number): void {
    this.used += from.copy(this.bytes, this.used, start, end);
  }

  /** [start, end) of `from`, which holds no quote, as JSON.stringify writes it. It takes up to six times the bytes. */
  escaped(from: Uint8Array, start: number, end: number): void {
    const { bytes } = this;
    for (let i = start; i < end; i++) {
      const byte = from[i] as number;
      if (byte >= 0x20 && byte !== BACKSLASH) {
        bytes[this.used++] = byte;
      } else if (byte >= 0x20) {
        bytes[this.used++] = BACKSLASH;
        bytes[this.used++] = byte;
      } else {
        this.used += bytes.write(JSON.stringify(String.fromCharCode(byte)).slice(1, -1), this.used, 'latin1');
      }
    }
  }

  /** A text, for which it makes room itself. */
  text(text: string): void {
    // A UTF-16 unit takes at most three bytes.
    this.reserve(text.length * 3);
    this.used += this.bytes.write(text, this.used);
  }
}
