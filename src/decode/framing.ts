import { BYTES, isWhite } from '../model/bytes.ts';
import { MAX_FRAME_BYTES } from './decode.ts';
import { type Boundary, type Framing, UnreadableFileError } from './files/file-reading.ts';

const { BACKSLASH, CLOSE_BRACE, CLOSE_BRACKET, COMMA, NEWLINE, OPEN_BRACE, OPEN_BRACKET, QUOTE } = BYTES;

/** One record's own bytes in a file that is read piece by piece. */
export interface Frame {
  /** Without its delimiter. A view of the piece that was pushed, unless the record spans several. */
  readonly bytes: Buffer;
  /** 1-based number of the line, CSV row or JSON element. */
  readonly number: number;
  /** Offset in the (unpacked) file after the record's delimiter: where to go on reading. */
  readonly end: number;
  /** The record was longer than MAX_FRAME_BYTES; only its beginning is kept. */
  readonly tooLong: boolean;
}

/** Cuts a stream of bytes into records. Holds at most one unfinished record of MAX_FRAME_BYTES. */
export interface Framer {
  push(piece: Buffer): Frame[];
  /** The last record, where no delimiter ends it. */
  end(): Frame[];
}

const BOUNDARIES: Record<Framing, (within: boolean) => Boundary> = {
  lines: lineBoundary,
  rows: rowBoundary,
  elements: elementBoundary,
};

/** `within`: the bytes begin in the middle of the file, after one of its delimiters. */
export function createBoundary(framing: Framing, within: boolean): Boundary {
  return BOUNDARIES[framing](within);
}

const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** `offset` and `number`: what the file has before the first byte that is pushed, where reading goes on in the middle of it. */
export function createFramer(framing: Framing, options: { offset?: number; number?: number } = {}): Framer {
  let { offset = 0, number = 0 } = options;
  // The opening bracket is the first delimiter, and ends no element.
  if (framing === 'elements' && offset === 0) number--;
  const boundary = createBoundary(framing, offset > 0);
  const begun = new BegunRecord();

  function finish(tail: Buffer): Frame {
    number++;
    const { bytes, tooLong } = begun.finish(tail);
    return { bytes, number, end: offset, tooLong };
  }

  return {
    push(piece) {
      const frames: Frame[] = [];
      let from = 0;
      if (offset === 0 && piece.subarray(0, 3).equals(BYTE_ORDER_MARK)) {
        from = 3;
        offset = 3;
      }
      for (;;) {
        const at = boundary.next(piece, from);
        if (at < 0) break;
        offset += at + 1 - from;
        const frame = finish(piece.subarray(from, at));
        if (!isBlank(frame.bytes)) frames.push(frame);
        from = at + 1;
      }
      offset += piece.length - from;
      if (begun.add(piece.subarray(from))) boundary.reset();
      return frames;
    },
    end() {
      boundary.end();
      if (begun.length === 0) return [];
      const frame = finish(Buffer.alloc(0));
      return isBlank(frame.bytes) ? [] : [frame];
    },
  };
}

/** The record whose end was not pushed yet: its first MAX_FRAME_BYTES. */
class BegunRecord {
  /** Bytes that are kept. */
  length = 0;
  readonly #pieces: Buffer[] = [];
  #tooLong = false;

  /** True where these bytes are the first beyond the limit. */
  add(bytes: Buffer): boolean {
    const kept = bytes.subarray(0, MAX_FRAME_BYTES - this.length);
    const isFirstBeyond = kept.length < bytes.length && !this.#tooLong;
    if (isFirstBeyond) this.#tooLong = true;
    if (kept.length > 0) this.#pieces.push(kept);
    this.length += kept.length;
    return isFirstBeyond;
  }

  /** Gives the record that ends with `tail`, and begins the next. */
  finish(tail: Buffer): Pick<Frame, 'bytes' | 'tooLong'> {
    const whole = this.#pieces.length === 0 ? tail : Buffer.concat([...this.#pieces, tail]);
    const tooLong = this.#tooLong || whole.length > MAX_FRAME_BYTES;
    this.#pieces.length = 0;
    this.length = 0;
    this.#tooLong = false;
    return { bytes: whole.subarray(0, MAX_FRAME_BYTES), tooLong };
  }
}

function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) if (!isWhite(byte)) return false;
  return true;
}

function lineBoundary(): Boundary {
  return { next: (piece, from) => piece.indexOf(NEWLINE, from), end() {}, reset() {} };
}

/** RFC 4180: a line end inside quotes belongs to the row. A quote opens only at the start of a field. */
function rowBoundary(): Boundary {
  let state: 'start' | 'plain' | 'quoted' | 'closing' = 'start';
  return {
    next(piece, from) {
      for (let i = from; i < piece.length; i++) {
        const byte = piece[i];
        if (state === 'quoted') {
          if (byte === QUOTE) state = 'closing';
        } else if (byte === NEWLINE) {
          state = 'start';
          return i;
        } else if (byte === COMMA) state = 'start';
        else if (byte === QUOTE) state = state === 'plain' ? 'plain' : 'quoted';
        else state = 'plain';
      }
      return -1;
    },
    end() {},
    reset() {
      state = 'plain';
    },
  };
}

/**
 * The elements of one JSON array: its brackets and the commas directly in it are the delimiters. `within`: the bytes
 * begin after one of them, which may be the last.
 */
function elementBoundary(within: boolean): Boundary {
  let depth = within ? 1 : 0;
  let ended = false;
  let isBlank = true;
  let inString = false;
  let escaped = false;

  function outside(byte: number): boolean {
    if (byte === OPEN_BRACKET && !ended) {
      depth = 1;
      return true;
    }
    if (!isWhite(byte))
      throw new UnreadableFileError(ended ? 'text after the end of the JSON array' : 'not a JSON array');
    return false;
  }

  function inside(byte: number): boolean {
    if (inString) {
      if (escaped) escaped = false;
      else if (byte === BACKSLASH) escaped = true;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) depth++;
    else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) {
      depth--;
      ended = depth === 0;
      return ended;
    } else return byte === COMMA && depth === 1;
    return false;
  }

  return {
    next(piece, from) {
      for (let i = from; i < piece.length; i++) {
        const byte = piece[i] as number;
        if (isBlank) isBlank = isWhite(byte);
        if (depth === 0 ? outside(byte) : inside(byte)) return i;
      }
      return -1;
    },
    end() {
      if (within && isBlank) return;
      if (depth > 0) throw new UnreadableFileError('the JSON array does not end');
      if (!ended) throw new UnreadableFileError('not a JSON array');
    },
    // Only its own brackets close an element, so there is no other place to go on in the array.
    reset() {},
  };
}
