import { BYTES, isWhite } from '../model/bytes.ts';
import { type Boundary, type Framing, UnreadableFileError } from './files/file-reading.ts';

const { BACKSLASH, CLOSE_BRACE, CLOSE_BRACKET, COMMA, NEWLINE, OPEN_BRACE, OPEN_BRACKET, QUOTE } = BYTES;

const BOUNDARIES: Record<Framing, (within: boolean) => Boundary> = {
  lines: lineBoundary,
  rows: rowBoundary,
  elements: elementBoundary,
};

/** `within`: the bytes begin in the middle of the file, after one of its delimiters. */
export function createBoundary(framing: Framing, within: boolean): Boundary {
  return BOUNDARIES[framing](within);
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
