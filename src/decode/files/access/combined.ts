import type { AccessLines, LineFormat, LineOptions, LineReader, LineVerdict } from '../line-format.ts';
import { readCombinedLine } from './combined-line.ts';
import { FastCombined } from './fast-combined.ts';

/** The combined format of Apache and nginx. One reader reads both formats, so a file may mix them. */
export const COMBINED: LineFormat = {
  name: 'combined',
  score: (line) => scoreLine(line).combined,
  createReader: (options) => new CombinedReader(options),
};

/** The common format: combined without referrer and user agent. */
export const COMMON: LineFormat = {
  name: 'common',
  score: (line) => scoreLine(line).common,
  createReader: (options) => new CombinedReader(options),
};

/** The other of the two reads it as well. */
const READABLE = 0.5;
/** A line may have anything after its fields: then it may be one of a format that begins in the same way. */
const WITH_REST = 0.8;
/** A user may have blanks. But it is likelier that something stands in front of the line, which would be taken for client and user. */
const WITH_LONG_HEAD = 0.4;
/** Quotes of a line that has its request in quotes and nothing else. */
const QUOTES_OF_COMMON = 2;

function scoreLine(line: Buffer): { readonly combined: number; readonly common: number } {
  const fields = readCombinedLine(line, 0);
  if ('reason' in fields) return { combined: 0, common: 0 };
  if (fields.user?.includes(' ')) return { combined: WITH_LONG_HEAD, common: WITH_LONG_HEAD };
  const likely = fields.rest === undefined ? 1 : WITH_REST;
  const quotes = line.toString('latin1').split('"').length - 1;
  return quotes === QUOTES_OF_COMMON ? { combined: READABLE, common: likely } : { combined: likely, common: READABLE };
}

/** For all readers of the thread: one for each would keep the last block of each file alive. */
const FAST = { all: new FastCombined('all'), core: new FastCombined('core') };

class CombinedReader implements LineReader {
  /** A line says all about itself. */
  readonly state = '';
  readonly #zone: number;
  readonly #fast: FastCombined;

  constructor({ zone, fields }: LineOptions) {
    this.#zone = zone;
    this.#fast = FAST[fields];
  }

  read(bytes: Buffer, start: number, end: number, out: AccessLines): LineVerdict {
    if (this.#fast.read(bytes, start, end, out)) return 'record';
    const fields = readCombinedLine(bytes.subarray(start, end), this.#zone);
    if ('reason' in fields) return fields;
    out.add(fields);
    return 'record';
  }
}
