import { BYTES } from '../../model/bytes.ts';
import { Collector } from '../collector.ts';
import type { Decoded, DecodeOptions, RecordKind } from '../decode.ts';
import { KindCounts } from '../kind-counts.ts';
import { Pace } from '../pace.ts';
import { type RecordFormat, UNJUDGED } from '../record-reader.ts';
import { endOfText, startOfText } from './trim-text.ts';

const { NEWLINE } = BYTES;

/** Bytes of a line beside those of its text, about. */
const LINE_PARTS = 64;

/** What the readers of one block share. */
export interface LinesParts {
  readonly format: RecordFormat;
  readonly body: Buffer;
  readonly collector: Collector;
  readonly options: DecodeOptions;
}

/** Adds the records of lines [start, end), which are trimmed and not empty. */
export interface LineReader {
  /** Gives its kind if it is valid, UNJUDGED if `judge` must read it. */
  read(start: number, end: number): RecordKind | undefined | typeof UNJUDGED;
  /** The same, with pauses. */
  judge(start: number, end: number): Generator<undefined, RecordKind | undefined, undefined>;
}

/** Decodes a block in which each line is a record by itself. It need not be UTF-8. Blank lines are skipped. */
export function* decodeLines(
  format: RecordFormat,
  body: Buffer,
  options: DecodeOptions,
  open: (parts: LinesParts) => LineReader,
): Generator<undefined, Decoded, undefined> {
  const check = format.checkOfNow();
  const expected = body.length + LINE_PARTS;
  const collector = new Collector(body, { ...options, stream: format.stream.name, noun: 'record', expected, check });
  const reader = open({ format, body, collector, options });
  const counts = new KindCounts(collector.lines);
  const pace = new Pace(check?.cost);
  for (let at = 0; at < body.length; ) {
    const newline = body.indexOf(NEWLINE, at);
    const lineEnd = newline === -1 ? body.length : newline;
    const start = startOfText(body, at, lineEnd);
    const end = endOfText(body, start, lineEnd);
    const { judged } = collector;
    if (end > start) {
      counts.begin();
      const read = reader.read(start, end);
      counts.end(read === UNJUDGED ? yield* reader.judge(start, end) : read);
    }
    const bytes = lineEnd - at;
    if (collector.judged === judged ? pace.written(bytes) : pace.spent(bytes)) yield;
    at = lineEnd + 1;
  }
  return { ...(yield* collector.finish()), kinds: counts.kinds };
}
