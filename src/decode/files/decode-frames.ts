import { isUtf8 } from 'node:buffer';
import { BYTES } from '../../model/bytes.ts';
import type { Stream } from '../../model/stream.ts';
import { type Decoded, type DecodeOptions, type Decoder, type Decoders, MAX_FRAME_BYTES } from '../decode.ts';
import { createDecoders } from '../decoders.ts';
import { runToEnd } from '../pace.ts';
import type { FileFrame } from './cut-block.ts';
import type { Unreadable } from './file-reading.ts';

const { NEWLINE, RETURN } = BYTES;

/** The service decides about these. Its configuration allows no higher ones, but for the bytes, which are memory here. */
export const FILE_DECODING: DecodeOptions = {
  maxRecordBytes: MAX_FRAME_BYTES,
  maxDepth: 1_000,
  maxHours: 100_000,
  maxBatchBytes: 256 * 1024 * 1024,
  extraFields: 'keep',
  invalid: 'skip',
  isBlock: true,
};

const DECODERS = new WeakMap<Stream, Decoders>();

/** Those of a stream are made once, whatever the number of its files. */
export function decodersOf(stream: Stream): Decoders {
  const known = DECODERS.get(stream);
  if (known !== undefined) return known;
  const made = createDecoders(stream);
  DECODERS.set(stream, made);
  return made;
}

/** Frames that are decoded at once: a decoder has a limit of the invalid ones in one body (MAX_SKIPPED). */
const MAX_FRAMES = 50_000;

/** Records as stored lines, and the frames that are none. */
export interface DecodedFrames {
  readonly body: Buffer;
  readonly records: number;
  readonly unreadable: readonly Unreadable[];
}

export const NOTHING: DecodedFrames = { body: Buffer.alloc(0), records: 0, unreadable: [] };

/** Each frame as a line of its own, through a decoder of lines (`ndjson` or `text`). */
export function decodeAsLines(decode: Decoder, frames: readonly FileFrame[], options: DecodeOptions): DecodedFrames {
  const parts: DecodedFrames[] = [];
  for (let at = 0; at < frames.length; at += MAX_FRAMES) {
    const some = frames.slice(at, at + MAX_FRAMES);
    const body = Buffer.concat(some.flatMap(({ bytes }) => [asOneLine(bytes), LINE_END]));
    const decoded = runToEnd(decode(body, options));
    parts.push(fromDecoded(decoded, (index) => some[index]));
  }
  return joinDecoded(parts);
}

/** Each frame as the JSON that is made of it, through the decoder of lines; what that refuses is given as it stood in the file. */
export function decodeAsJson(
  decode: Decoder,
  frames: readonly FileFrame[],
  toJson: (frame: Buffer) => string | { readonly reason: string },
  options: DecodeOptions,
): DecodedFrames {
  const unreadable: Unreadable[] = [];
  const made: FileFrame[] = [];
  for (const frame of frames) {
    const json = toJson(frame.bytes);
    if (typeof json === 'string') made.push({ number: frame.number, bytes: Buffer.from(json) });
    else unreadable.push({ ...frame, reason: json.reason });
  }
  const decoded = decodeAsLines(decode, made, options);
  const written = new Map(frames.map(({ number, bytes }) => [number, bytes]));
  for (const fault of decoded.unreadable) {
    unreadable.push({ ...fault, bytes: written.get(fault.number) ?? fault.bytes });
  }
  return { ...decoded, unreadable: unreadable.sort((a, b) => a.number - b.number) };
}

const LINE_END = Buffer.from('\n');

/** Newlines in a JSON element are white space; as returns they end no line. */
function asOneLine(bytes: Buffer): Buffer {
  let at = bytes.indexOf(NEWLINE);
  if (at < 0) return bytes;
  const copy = Buffer.from(bytes);
  for (; at >= 0; at = copy.indexOf(NEWLINE, at)) copy[at] = RETURN;
  return copy;
}

/** `frameOf`: the frame of the decoder's index. */
export function fromDecoded(
  { batch, accepted, rejections }: Decoded,
  frameOf: (index: number) => FileFrame | undefined,
): DecodedFrames {
  const unreadable = rejections.flatMap(({ index, reason }) => {
    const frame = frameOf(index);
    return frame === undefined ? [] : [{ number: frame.number, reason, bytes: frame.bytes }];
  });
  return { body: Buffer.concat(batch.map(({ lines }) => lines)), records: accepted, unreadable };
}

/** In the order of their numbers. */
export function joinDecoded(parts: readonly DecodedFrames[]): DecodedFrames {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  return {
    body: Buffer.concat(parts.map(({ body }) => body)),
    records: parts.reduce((sum, { records }) => sum + records, 0),
    unreadable: parts.flatMap(({ unreadable }) => unreadable).sort((a, b) => a.number - b.number),
  };
}

/** Why no decoder sees a frame; undefined where one may. */
export function damageOf(bytes: Buffer): string | undefined {
  if (bytes.length > MAX_FRAME_BYTES) return `longer than ${MAX_FRAME_BYTES} bytes`;
  return isUtf8(bytes) ? undefined : 'not UTF-8';
}
