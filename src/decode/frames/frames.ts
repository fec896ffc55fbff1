import { FRAME_KINDS, HEADER_BYTES } from '../../lines/frame-header.ts';
import { type BareData, createDataOpener } from '../avro/bare-data.ts';
import { Collector } from '../collector.ts';
import { type DecodeOptions, type Decoder, MalformedBodyError, type RecordKind } from '../decode.ts';
import { JsonReader, rawOfBytes } from '../json-reader.ts';
import { KindCounts } from '../kind-counts.ts';
import { Pace } from '../pace.ts';
import { createMessageOpener, type MessageReader } from '../protobuf/message-reader.ts';
import type { RecordFault } from '../record.ts';
import { type RecordFormat, UNJUDGED } from '../record-reader.ts';
import { openTextReader } from '../text/text-lines.ts';
import type { TextReader } from '../text/text-reader.ts';
import { endOfText, startOfText } from '../text/trim-text.ts';

/** Bytes of lines that a byte of frames makes, about: those of JSON have the names of the fields, others do not. */
const JSON_LINE_BYTES = 1;
const LINE_BYTES = 2;

const EMPTY = { field: '', problem: 'an empty frame' };
const EXPECTED = Object.entries({ JSON: 'json', Protobuf: 'protobuf', Avro: 'avro', text: 'text' } as const)
  .map(([name, kind]) => `${FRAME_KINDS[kind]} ${name}`)
  .join(', ');

interface Block {
  readonly body: Buffer;
  readonly collector: Collector;
  readonly options: DecodeOptions;
  readonly pace: Pace;
}

/**
 * A block of frames (frame-header.ts), each a record: JSON, a message of Protobuf, a datum of Avro, or text. They are mixed, and read in
 * their order. A frame that cannot be read is an invalid record, since the next can still be found.
 */
export function createFramesDecoder(format: RecordFormat): Decoder {
  const openers = { openMessages: createMessageOpener(format), openData: createDataOpener(format) };
  return function* decode(body, options) {
    const check = format.checkOfNow();
    const expected = body.length * (body[0] === FRAME_KINDS.json ? JSON_LINE_BYTES : LINE_BYTES);
    const collector = new Collector(body, { ...options, stream: format.stream.name, noun: 'record', expected, check });
    const pace = new Pace(check?.cost);
    const readers = new FrameReaders(format, { body, collector, options, pace }, openers);
    const counts = new KindCounts(collector.lines);
    for (let at = 0; at < body.length; ) {
      const kind = body[at] as number;
      const start = at + HEADER_BYTES;
      const end = start <= body.length ? start + readLength(body, at + 1) : Number.POSITIVE_INFINITY;
      if (end > body.length) throw new MalformedBodyError(`the frame at byte ${at} of the block is cut off`);
      const { judged } = collector;
      counts.begin();
      const read = readers.read(kind, start, end);
      if (read !== UNJUDGED) {
        counts.end(read);
        if (collector.judged === judged ? pace.written(end - start) : pace.spent(end - start)) yield;
      } else {
        counts.end(yield* readers.judge(kind, start, end));
        if (pace.spent(end - start)) yield;
      }
      at = end;
    }
    return { ...(yield* collector.finish()), kinds: counts.kinds };
  };
}

function readLength(body: Buffer, at: number): number {
  return (
    (body[at] as number) * 0x1000000 +
    (((body[at + 1] as number) << 16) | ((body[at + 2] as number) << 8) | (body[at + 3] as number))
  );
}

/** What the readers of a format keep between blocks. */
interface Openers {
  readonly openMessages: ReturnType<typeof createMessageOpener>;
  readonly openData: ReturnType<typeof createDataOpener>;
}

/** The readers of one block, each made for the first frame that needs it. */
class FrameReaders {
  readonly #format: RecordFormat;
  readonly #block: Block;
  readonly #openers: Openers;
  #jsonReader: JsonReader | undefined;
  #textReader: TextReader | undefined;
  #messageReader: MessageReader | undefined;
  #dataReader: BareData | undefined;

  constructor(format: RecordFormat, block: Block, openers: Openers) {
    this.#format = format;
    this.#block = block;
    this.#openers = openers;
  }

  /** FAST PATH. Adds the record of a frame. Gives its kind if it is valid; undefined if it was rejected; UNJUDGED if `judge` must read it. */
  read(kind: number, start: number, end: number): RecordKind | undefined | typeof UNJUDGED {
    if (start === end) return this.#reject(EMPTY, start, end);
    switch (kind) {
      case FRAME_KINDS.json:
        return this.#readJson(start, end);
      case FRAME_KINDS.protobuf:
        return this.#messages.add(start, end) ? 'proto' : UNJUDGED;
      case FRAME_KINDS.avro:
        return this.#data.add(start, end) ? 'avro' : UNJUDGED;
      case FRAME_KINDS.text:
        return this.#readText(start, end);
      default:
        return this.#reject({ field: '', problem: `unknown format ${kind}: expected ${EXPECTED}` }, start, end);
    }
  }

  /** Adds the record of a frame that is UNJUDGED. Gives its kind if it is valid. */
  *judge(kind: number, start: number, end: number): Generator<undefined, RecordKind | undefined, undefined> {
    if (kind === FRAME_KINDS.json) return (yield* this.#json.judge(start, end)) ? 'json' : undefined;
    if (kind === FRAME_KINDS.text) return yield* this.#judgeText(start, end);
    if (kind === FRAME_KINDS.protobuf) return (yield* this.#messages.judge(start, end)) ? 'proto' : undefined;
    return (yield* this.#data.judge(start, end)) ? 'avro' : undefined;
  }

  #readJson(start: number, end: number): RecordKind | undefined | typeof UNJUDGED {
    const read = this.#json.read(start, end);
    return read === UNJUDGED ? UNJUDGED : read ? 'json' : undefined;
  }

  #judgeText(from: number, to: number): Generator<undefined, RecordKind | undefined, undefined> {
    const { body } = this.#block;
    const start = startOfText(body, from, to);
    return this.#text.judge(start, endOfText(body, start, to));
  }

  #readText(from: number, to: number): RecordKind | undefined | typeof UNJUDGED {
    const { body } = this.#block;
    const start = startOfText(body, from, to);
    const end = endOfText(body, start, to);
    return start === end ? this.#reject(EMPTY, from, to) : this.#text.read(body, start, end);
  }

  #reject(fault: RecordFault, start: number, end: number): undefined {
    const { body, collector } = this.#block;
    collector.add(fault, () => rawOfBytes(body.subarray(start, end)));
  }

  get #json(): JsonReader {
    this.#jsonReader ??= new JsonReader({ format: this.#format, ...this.#block });
    return this.#jsonReader;
  }

  get #text(): TextReader {
    this.#textReader ??= openTextReader({ format: this.#format, ...this.#block });
    return this.#textReader;
  }

  get #messages(): MessageReader {
    this.#messageReader ??= this.#openers.openMessages(this.#block);
    return this.#messageReader;
  }

  get #data(): BareData {
    this.#dataReader ??= this.#openers.openData(this.#block);
    return this.#dataReader;
  }
}
