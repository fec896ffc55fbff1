import { Collector } from '../collector.ts';
import { type DecodeOptions, type Decoder, MalformedBodyError } from '../decode.ts';
import { Pace } from '../pace.ts';
import type { RecordFormat } from '../record-reader.ts';
import { createMessageOpener, LINE_BYTES, type MessageReader } from './message-reader.ts';
import { PartError } from './part-error.ts';
import { VarintReader } from './varint.ts';

/** `application/x-protobuf`: the body is one message, which is one record. */
export function createProtobufDecoder(format: RecordFormat): Decoder {
  const openBody = createBodyOpener(format);
  return function* decode(body, options) {
    const { reader, collector } = openBody(body, options);
    if (body.length > 0 && !reader.add(0, body.length)) yield* reader.judge(0, body.length);
    return yield* collector.finish();
  };
}

/**
 * `application/x-protobuf; delimited=true`: messages one after the other, each after its length as a varint. A message that cannot be
 * decoded is an invalid record, since the next can still be found. A length that is cut off, or goes beyond the body, makes the body
 * malformed.
 */
export function createDelimitedDecoder(format: RecordFormat): Decoder {
  const openBody = createBodyOpener(format);
  return function* decode(body, options) {
    const { reader, collector } = openBody(body, options);
    const varints = new VarintReader(body);
    const pace = new Pace(collector.check?.cost);
    for (let at = 0, index = 0; at < body.length; index++) {
      const end = messageEnd(varints, at, body.length, index);
      const start = varints.at;
      if (reader.add(start, end)) {
        if (pace.written(end - start)) yield;
      } else {
        yield* reader.judge(start, end);
        if (pace.spent(end - start)) yield;
      }
      at = end;
    }
    return yield* collector.finish();
  };
}

/** Where the message ends whose length stands at `at`. */
function messageEnd(varints: VarintReader, at: number, bodyEnd: number, index: number): number {
  let problem: string;
  try {
    const length = varints.readShort(at, bodyEnd, 'the length');
    const left = bodyEnd - varints.at;
    if (length <= left) return varints.at + length;
    problem = `the length is ${length}, there are ${left} bytes`;
  } catch (error) {
    if (!(error instanceof PartError)) throw error;
    problem = error.message;
  }
  throw new MalformedBodyError(`not delimited messages: message ${index} at byte ${at}: ${problem}`);
}

/** Both decoders read the messages of a body with what this makes. */
function createBodyOpener(format: RecordFormat) {
  const openMessages = createMessageOpener(format);
  return function openBody(
    body: Buffer,
    options: DecodeOptions,
  ): { readonly reader: MessageReader; readonly collector: Collector } {
    const check = format.checkOfNow();
    const expected = Math.ceil(body.length * LINE_BYTES);
    const collector = new Collector(body, { ...options, stream: format.stream.name, noun: 'record', expected, check });
    return { reader: openMessages({ body, options, collector }), collector };
  };
}
