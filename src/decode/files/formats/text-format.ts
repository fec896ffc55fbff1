import { escapeBytes } from '../../text/escape-bytes.ts';
import type { FileFormat } from '../file-reading.ts';
import type { AccessFields, LineFormat, LineReader, LineVerdict } from '../line-format.ts';
import { createTimeReader, type ReadTime } from '../log-time.ts';

export interface Unread {
  readonly reason: string;
  /** The line is of this format, but holds no request, such as the log of a TCP connection. */
  readonly isKnown?: true;
}

/** Reads a line of a format whose lines stand for themselves. Bytes that are not UTF-8 are `\xhh` in it. Never throws. */
export type ParseLine = (line: string, readTime: ReadTime) => AccessFields | Unread;

/** A line that is known and refused tells its format nearly as surely as one that can be read. */
const REFUSED_SCORE = 0.9;

/** A format whose lines tell it by themselves: those that can be read have its parts in its order, and no other format has them so. */
export function createTextFormat(name: FileFormat, parse: ParseLine): LineFormat {
  const readTime = createTimeReader(0);
  return {
    name,
    score(line) {
      const parsed = parse(escapeBytes(line), readTime);
      if (!('reason' in parsed)) return 1;
      return parsed.isKnown === true ? REFUSED_SCORE : 0;
    },
    createReader: ({ zone }) => createTextReader(parse, createTimeReader(zone)),
  };
}

function createTextReader(parse: ParseLine, readTime: ReadTime): LineReader {
  return {
    state: '',
    read(bytes, start, end, out): LineVerdict {
      const parsed = parse(escapeBytes(bytes.subarray(start, end)), readTime);
      if ('reason' in parsed) return { reason: parsed.reason };
      out.add(parsed);
      return 'record';
    },
  };
}
