import { BYTES } from '../../model/bytes.ts';
import { MAX_FRAME_BYTES } from '../decode.ts';
import { StoredLines } from './access/access-lines.ts';
import { type FileFrame, withoutMark } from './cut-block.ts';
import type { DecodedFrames } from './decode-frames.ts';
import { type Converted, type FileFormat, type FileReading, MAX_STATE_BYTES, type Unreadable } from './file-reading.ts';
import type { LineOptions } from './line-format.ts';
import type { LineReading } from './line-reading.ts';

const { NEWLINE, RETURN, SPACE, TAB } = BYTES;
const NUL = 0;

type Fields = LineOptions['fields'];

/** An access log, line by line. FAST PATH: an ordinary line is found and read where it stands. */
export function openAccessLines(format: FileFormat, lines: LineReading, fields: Fields): FileReading {
  return {
    format,
    framing: 'lines',
    noun: 'line',
    get state() {
      return lines.state;
    },
    convert: (frames, number) => convertLines(withoutMark(frames, number), number, lines, fields),
  };
}

function convertLines(block: Buffer, first: number, lines: LineReading, fields: Fields): Converted {
  const out = createLines(block.length, fields);
  const unreadable: Unreadable[] = [];
  let number = first;
  for (let at = 0; at < block.length; number++) {
    const newline = block.indexOf(NEWLINE, at);
    const lineEnd = newline === -1 ? block.length : newline;
    let start = at;
    let end = lineEnd;
    while (end > start && block[end - 1] === RETURN) end--;
    // A program that goes on at its old place in a file that was truncated leaves NULs before its next line.
    while (start < end && isSkipped(block[start])) start++;
    if (start < end) {
      const verdict = end - start > MAX_FRAME_BYTES ? TOO_LONG : lines.read(block, start, end, out);
      if (typeof verdict !== 'string')
        unreadable.push({ number, reason: verdict.reason, bytes: block.subarray(at, end) });
    }
    at = lineEnd + 1;
  }
  return { ...out.take(), frames: number - first, unreadable };
}

const TOO_LONG = { reason: `longer than ${MAX_FRAME_BYTES} bytes` };

function isSkipped(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === NUL;
}

/** The elements of an array as records of access. A part of a line in an element is none: its text is stored with the element that ends it. */
export function readElements(elements: readonly FileFrame[], lines: LineReading, fields: Fields): DecodedFrames {
  const bytesOfAll = elements.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const out = createLines(bytesOfAll, fields);
  const unreadable: Unreadable[] = [];
  for (const element of elements) {
    const { bytes } = element;
    const verdict = bytes.length > MAX_FRAME_BYTES ? TOO_LONG : lines.read(bytes, 0, bytes.length, out);
    if (typeof verdict !== 'string') unreadable.push({ ...element, reason: verdict.reason });
  }
  return { ...out.take(), unreadable };
}

/** A block ends lines that began in blocks before it: these are at most as long as a state. */
function createLines(blockBytes: number, fields: Fields): StoredLines {
  return new StoredLines({ fields, blockBytes: blockBytes + MAX_STATE_BYTES });
}
