import { isUtf8 } from 'node:buffer';
import { parseCombinedLine } from '../decode/combined.ts';
import { type Decoded, type DecodeOptions, type Decoder, type Decoders, MalformedBodyError } from '../decode/decode.ts';
import { createDecoders } from '../decode/decoders.ts';
import { createFramer, type Frame, type Framing, MAX_FRAME_BYTES } from '../decode/framing.ts';
import { ACCESS_STREAM, EVENTS_STREAM, isDefaultStream, type Stream, type StreamName } from '../model/stream.ts';

export const FILE_FORMATS = ['combined', 'ndjson', 'json', 'csv'] as const;
export type FileFormat = (typeof FILE_FORMATS)[number];

/** How a file is cut into records, and the word for one record. */
export const FRAMING: Record<FileFormat, { readonly framing: Framing; readonly noun: string }> = {
  combined: { framing: 'lines', noun: 'line' },
  ndjson: { framing: 'lines', noun: 'line' },
  json: { framing: 'elements', noun: 'record' },
  csv: { framing: 'rows', noun: 'row' },
};

/** The readable records of some frames as a body of NDJSON, and the reasons why others are not readable. */
export interface Encoded {
  readonly body: Buffer;
  readonly records: number;
  readonly unreadable: readonly Unreadable[];
}

export interface Unreadable {
  readonly number: number;
  readonly reason: string;
}

/** Turns frames into lines, by the service's own rules for a record. It has no state: each batch stands alone. */
export type Encode = (frames: readonly Frame[]) => Encoded;

/** `header`: the first row of a CSV file, if it names the columns. */
export function createEncode(format: FileFormat, { header, stream }: EncodeOptions): Encode {
  const encode = chooseEncode(format, header, createDecoders(fieldsOf(stream)));
  return (frames) => {
    const sound = frames.filter((frame) => describeDamage(frame) === undefined);
    const encoded = sound.length === 0 ? NOTHING : encode(sound);
    if (sound.length === frames.length) return encoded;
    const damaged = frames.flatMap((frame) => {
      const reason = describeDamage(frame);
      return reason === undefined ? [] : [{ number: frame.number, reason }];
    });
    const unreadable = [...encoded.unreadable, ...damaged].sort((a, b) => a.number - b.number);
    return { ...encoded, unreadable };
  };
}

interface EncodeOptions {
  readonly header?: Buffer | undefined;
  readonly stream: StreamName;
}

function chooseEncode(format: FileFormat, header: Buffer | undefined, decoders: Decoders): Encode {
  if (format === 'combined') return encodeCombined;
  if (format === 'csv') return (frames) => encodeRows(frames, header, decoders.csv);
  return (frames) => encodeJson(frames, decoders.ndjson);
}

/** The fields of a stream of the configuration are known to the service alone, which checks them: here the timestamp is. */
function fieldsOf(name: StreamName): Stream {
  const builtIn = [ACCESS_STREAM, EVENTS_STREAM].find((stream) => stream.name === name);
  return builtIn ?? { name, required: [], countBy: [] };
}

function describeDamage({ bytes, tooLong }: Frame): string | undefined {
  if (tooLong) return `longer than ${MAX_FRAME_BYTES} bytes`;
  return isUtf8(bytes) ? undefined : 'not UTF-8';
}

/**
 * By the first byte if that can only be JSON, else by the name, else by a first row that names `timestamp`. Anything else
 * is an access log in the combined format; for another stream than access it is NDJSON, whose lines are then not readable.
 */
export function guessFormat(name: string, head: Buffer, stream: StreamName): FileFormat {
  const text = head.toString('utf8').trimStart();
  if (text.startsWith('[')) return 'json';
  if (text.startsWith('{')) return 'ndjson';
  if (/\.csv(\.gz)?$/i.test(name) || isHeader(Buffer.from(text.split('\n', 1)[0] ?? ''))) return 'csv';
  return isDefaultStream(stream) ? 'combined' : 'ndjson';
}

/** The first row of a CSV file and its number, if it is a header. `head`: the file's first bytes. */
export function findHeader(head: Buffer): { readonly row: Buffer; readonly number: number } | undefined {
  const [first] = createFramer('rows').push(Buffer.concat([head, Buffer.from('\n')]));
  return first !== undefined && isHeader(first.bytes) ? { row: first.bytes, number: first.number } : undefined;
}

function isHeader(row: Buffer): boolean {
  return /(^|,)\s*"?\s*timestamp\s*"?\s*(,|$)/.test(row.toString('utf8').trim());
}

/** The service decides about these. Its configuration allows no higher ones, but for the bytes, which are memory here. */
const MAX_DEPTH = 1_000;
const MAX_HOURS = 100_000;
const MAX_BATCH_BYTES = 256 * 1024 * 1024;
const OPTIONS: DecodeOptions = {
  maxRecordBytes: MAX_FRAME_BYTES,
  maxDepth: MAX_DEPTH,
  maxHours: MAX_HOURS,
  maxBatchBytes: MAX_BATCH_BYTES,
  extraFields: 'keep',
  invalid: 'skip',
};
const NEWLINE = Buffer.from('\n');
const NOTHING: Encoded = { body: Buffer.alloc(0), records: 0, unreadable: [] };

function encodeCombined(frames: readonly Frame[]): Encoded {
  const unreadable: Unreadable[] = [];
  const lines: string[] = [];
  for (const frame of frames) {
    const record = parseCombinedLine(frame.bytes.toString('utf8').replace(/\r$/, ''));
    if ('reason' in record) unreadable.push({ number: frame.number, reason: record.reason });
    else lines.push(`${JSON.stringify(record)}\n`);
  }
  return { body: Buffer.from(lines.join('')), records: lines.length, unreadable };
}

/** One line of NDJSON for each frame. Newlines within a JSON element are white space; as returns they end no line. */
function encodeJson(frames: readonly Frame[], decode: Decoder): Encoded {
  const bodies = frames.map(({ bytes }) => (bytes.includes(NEWLINE) ? replaceNewlines(bytes) : bytes));
  const body = Buffer.concat(bodies.flatMap((bytes) => [bytes, NEWLINE]));
  return readDecoded(decodeWhole(decode, body), frames, 0);
}

function replaceNewlines(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(NEWLINE); at >= 0; at = copy.indexOf(NEWLINE, at)) copy[at] = 13;
  return copy;
}

/** A misplaced quote makes a whole body unreadable: then each row is decoded by itself. */
function encodeRows(frames: readonly Frame[], header: Buffer | undefined, decode: Decoder): Encoded {
  const rows = frames.flatMap(({ bytes }) => [bytes, NEWLINE]);
  const headerRows = header === undefined ? 0 : 1;
  try {
    const decoded = decodeWhole(decode, Buffer.concat(header === undefined ? rows : [header, NEWLINE, ...rows]));
    return readDecoded(decoded, frames, 1 + headerRows);
  } catch (error) {
    if (!(error instanceof MalformedBodyError)) throw error;
    const [only] = frames;
    if (frames.length === 1 && only !== undefined) {
      return { ...NOTHING, unreadable: [{ number: only.number, reason: error.message }] };
    }
    return joinEncoded(frames.map((frame) => encodeRows([frame], header, decode)));
  }
}

function joinEncoded(parts: readonly Encoded[]): Encoded {
  return {
    body: Buffer.concat(parts.map(({ body }) => body)),
    records: parts.reduce((sum, { records }) => sum + records, 0),
    unreadable: parts.flatMap(({ unreadable }) => unreadable),
  };
}

/** `firstIndex`: the decoder's number of the first frame. Its record numbers are removed from reasons: they are not those of the file. */
function readDecoded({ batch, accepted, rejections }: Decoded, frames: readonly Frame[], firstIndex: number): Encoded {
  return {
    body: Buffer.concat(batch.map(({ lines }) => lines)),
    records: accepted,
    unreadable: rejections.map(({ index, reason }) => ({
      number: frames[index - firstIndex]?.number ?? 0,
      reason: reason.replace(/^(record|row) \d+ /, '').replace(/^not JSON: line \d+ /, 'not JSON: '),
    })),
  };
}

function decodeWhole(decode: Decoder, body: Buffer): Decoded {
  const steps = decode(body, OPTIONS);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
