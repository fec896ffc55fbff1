/** One record's own bytes in a file that is read piece by piece. */
export interface Frame {
  /** Without its delimiter. A view of what was pushed, where the record did not span two pieces. */
  readonly bytes: Buffer;
  /** 1-based number of the line, CSV row or JSON element. */
  readonly number: number;
  /** Offset in the (unpacked) file of the byte after the record's delimiter: where to read on. */
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

/** Finds the ends of records. Keeps its state from piece to piece. */
interface Boundary {
  /** The index of the next delimiter at or after `from`; -1 when the piece has none. */
  next(piece: Buffer, from: number): number;
  /** Throws when the bytes must not end here. */
  end(): void;
  /** Gives up the present record: the next line end is a delimiter again. */
  reset(): void;
}

export const FRAMINGS = ['lines', 'rows', 'elements'] as const;
export type Framing = (typeof FRAMINGS)[number];

const BOUNDARIES: Record<Framing, (within: boolean) => Boundary> = {
  lines: lineBoundary,
  rows: rowBoundary,
  elements: elementBoundary,
};

/** Longer records than this are reported and left out: a stored line is at most a few hundred KiB. */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024;

const NEWLINE = 10;
const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** `offset` and `number`: the bytes and records before the first byte pushed, for a file that is read from the middle. */
export function createFramer(framing: Framing, options: { offset?: number; number?: number } = {}): Framer {
  let { offset = 0, number = 0 } = options;
  // The opening bracket is the first delimiter, and ends no element.
  if (framing === 'elements' && offset === 0) number--;
  const boundary = BOUNDARIES[framing](offset > 0);
  const unfinished = createUnfinished(() => boundary.reset());

  /** Adds the record that ends here to the frames, unless it is blank. */
  function finish(frames: Frame[], tail: Buffer): Frame[] {
    number++;
    const frame = unfinished.finish(tail, number, offset);
    if (!isBlank(frame.bytes)) frames.push(frame);
    return frames;
  }

  return {
    push(piece) {
      const frames: Frame[] = [];
      let from = 0;
      if (offset === 0 && piece.subarray(0, 3).equals(BYTE_ORDER_MARK)) {
        from = 3;
        offset = 3;
      }
      for (let at = boundary.next(piece, from); at >= 0; at = boundary.next(piece, from)) {
        offset += at + 1 - from;
        finish(frames, piece.subarray(from, at));
        from = at + 1;
      }
      offset += piece.length - from;
      unfinished.add(piece.subarray(from));
      return frames;
    },
    end() {
      boundary.end();
      return unfinished.isEmpty() ? [] : finish([], Buffer.alloc(0));
    },
  };
}

/** The beginning of a record whose end has not come yet. `onTooLong` is called once when it exceeds MAX_FRAME_BYTES. */
function createUnfinished(onTooLong: () => void) {
  const pieces: Buffer[] = [];
  let length = 0;
  let tooLong = false;
  return {
    isEmpty: () => length === 0,
    add(bytes: Buffer): void {
      const room = MAX_FRAME_BYTES - length;
      if (bytes.length > room) {
        if (!tooLong) onTooLong();
        tooLong = true;
      }
      if (room <= 0 || bytes.length === 0) return;
      const kept = bytes.subarray(0, room);
      pieces.push(kept);
      length += kept.length;
    },
    /** The whole record, with its last bytes; nothing is unfinished after that. */
    finish(tail: Buffer, number: number, end: number): Frame {
      const whole = pieces.length === 0 ? tail : Buffer.concat([...pieces, tail]);
      const bytes = whole.subarray(0, MAX_FRAME_BYTES);
      const frame = { bytes, number, end, tooLong: tooLong || whole.length > MAX_FRAME_BYTES };
      pieces.length = 0;
      length = 0;
      tooLong = false;
      return frame;
    },
  };
}

function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) if (!isWhite(byte)) return false;
  return true;
}

function isWhite(byte: number): boolean {
  return byte === 32 || byte === 9 || byte === NEWLINE || byte === 13;
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
 * begin after one of them.
 */
function elementBoundary(within: boolean): Boundary {
  let depth = within ? 1 : 0;
  let ended = false;
  let inString = false;
  let escaped = false;

  function outside(byte: number): boolean {
    if (byte === OPEN_BRACKET && !ended) {
      depth = 1;
      return true;
    }
    if (!isWhite(byte))
      throw new Error(ended ? 'there is something after the end of the JSON array' : 'not a JSON array');
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
        if (depth === 0 ? outside(byte) : inside(byte)) return i;
      }
      return -1;
    },
    end() {
      if (depth > 0) throw new Error('the JSON array does not end');
      if (!ended) throw new Error('not a JSON array');
    },
    // Only its own brackets end an element: there is no other place where the array could be read on.
    reset() {},
  };
}
