import fc from 'fast-check';
import {
  type Decoded,
  type DecodeOptions,
  type Decoder,
  MAX_LISTED_REJECTIONS,
  MalformedBodyError,
  TEXT_FORMATS,
  type TextFormat,
} from '../../../src/decode/decode.ts';
import { createDecoders } from '../../../src/decode/decoders.ts';
import { runToEnd } from '../../../src/decode/pace.ts';
import { PermanentError } from '../../../src/model/deliver.ts';
import { ACCESS_STREAM, EVENTS_STREAM, type Stream } from '../../../src/model/stream.ts';
import { areStoredLines } from '../../../src/service/stored-lines.ts';
import { anyStream, createBodies, decodeOptions } from '../../support/decode-arbitraries.ts';
import type { Random } from '../../support/random.ts';
import { createReferenceDecoders } from '../../support/reference-decoders.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';
import { join, split, withHead } from '../headed.ts';
import { mutateBytes, withoutPieces } from '../mutate.ts';

/*
 * The decoders of all formats, against the reference readers: verdict, stored bytes, messages and places are the same. And each by itself:
 * the limits hold, every record is accounted for, and a refused line is named by its own place.
 */

interface Head {
  readonly stream: Stream;
  readonly format: TextFormat;
  readonly options: DecodeOptions;
}

/** Access records, events, and records of a stream of a team. */
const inputs: Readonly<Record<TextFormat, fc.Arbitrary<readonly [Stream, string]>>> = {
  json: inputsOf('json'),
  ndjson: inputsOf('ndjson'),
  csv: inputsOf('csv'),
};

function inputsOf(format: TextFormat): fc.Arbitrary<readonly [Stream, string]> {
  const bodiesOf = (stream: Stream) => fc.tuple(fc.constant(stream), createBodies(stream)[format]);
  return fc.oneof(bodiesOf(ACCESS_STREAM), bodiesOf(EVENTS_STREAM), anyStream.chain(bodiesOf));
}

export const decodeTarget: FuzzTarget = {
  name: 'decode',
  runsPerSecond: 500,
  make(random: Random) {
    const format = random.pick(TEXT_FORMATS);
    const [made] = fc.sample(fc.tuple(inputs[format], decodeOptions), { numRuns: 1, seed: random.int(0, 2 ** 31 - 1) });
    const [[stream, text] = [ACCESS_STREAM, ''], options] = made ?? [];
    return join({ head: { stream, format, options }, body: Buffer.from(text) });
  },
  mutate: (input, random) => withHead((body) => mutateBytes(body, random))(input),
  *simpler(input) {
    const { head, body } = split<Head>(input);
    for (const simpler of withoutPieces(body)) yield join({ head, body: simpler });
  },
  check(input) {
    const { head, body } = split<Head>(input);
    const { format, options } = head;
    // The stream of access records is known by its identity.
    const stream = head.stream.name === ACCESS_STREAM.name ? ACCESS_STREAM : head.stream;
    const decode = createDecoders(stream)[format];
    const text = withoutNulAfterQuote(body);
    const actual = outcome(decode, text, options);
    const expected = outcome(createReferenceDecoders(stream)[format], text, options);
    promise(actual === expected, () => `the reader:    ${actual}\nthe reference: ${expected}`);
    keepsItsPromises(decode, format, text, options);
  },
};

/** Everything that a decoder says, as one text. */
export function outcome(decode: Decoder, body: Buffer, options: DecodeOptions): string {
  try {
    // A copy: a decoder may write in its body.
    const { batch, accepted, rejections, rejected } = runToEnd(decode(Buffer.from(body), options));
    let text = `accepted ${accepted} rejected ${rejected}\n`;
    for (const { hour, count, lines } of batch) text += `hour ${hour} ${count}\n${lines.toString()}`;
    return rejections.length === 0 ? text : text + JSON.stringify(rejections);
  } catch (error) {
    if (error instanceof MalformedBodyError) return `malformed ${error.message}`;
    if (error instanceof PermanentError) return `refused ${error.message}`;
    throw error;
  }
}

/** To csv-parse a NUL after a closing quote is the end of the text; to RFC 4180 and to us it is not. */
export function withoutNulAfterQuote(body: Buffer): Buffer {
  for (let at = body.indexOf('"\0'); at !== -1; at = body.indexOf('"\0', at)) body[at + 1] = 1;
  return body;
}

/** Every record is accounted for, every line is one, and no limit is passed. */
export function holdsLimits(decoded: Decoded, options: DecodeOptions): void {
  const { batch, accepted, rejected, rejections } = decoded;
  const stored = batch.reduce((sum, { count }) => sum + count, 0);
  const isStored = rejected === 0 || options.invalid === 'skip';
  promise(!isStored || stored === accepted, () => `${accepted} records are accepted and ${stored} are in the batch`);
  const listed = options.invalid === 'skip' ? rejected : Math.min(rejected, MAX_LISTED_REJECTIONS);
  promise(rejections.length === listed, () => `${rejections.length} of ${rejected} rejections are listed`);
  promise(batch.length <= options.maxHours, () => `${batch.length} hours`);
  const bytes = batch.reduce((sum, { lines }) => sum + lines.length, 0);
  promise(bytes <= options.maxBatchBytes, () => `a batch of ${bytes} bytes`);
  for (const chunk of batch) {
    promise(areStoredLines(chunk), () => `no stored lines: ${chunk.lines}`);
    for (const line of chunk.lines.toString().split('\n')) {
      promise(Buffer.byteLength(line) < options.maxRecordBytes, () => `a line of ${line.length} bytes`);
      if (line !== '') JSON.parse(line);
    }
  }
}

function keepsItsPromises(decode: Decoder, format: TextFormat, body: Buffer, options: DecodeOptions): void {
  let decoded: Decoded;
  try {
    decoded = runToEnd(decode(Buffer.from(body), options));
  } catch {
    // Compared above.
    return;
  }
  holdsLimits(decoded, options);
  const { rejections } = decoded;
  if (format !== 'ndjson') return;
  const lines = body
    .toString()
    .replace(/^\ufeff/, '')
    .split('\n')
    .filter((line) => /[^ \t\r\n]/.test(line));
  for (const { index, raw } of rejections) {
    const line = lines[index]?.trim() ?? '';
    promise(
      line.startsWith(raw.trim()),
      () => `record ${index} is ${JSON.stringify(line)}, not ${JSON.stringify(raw)}`,
    );
  }
}
