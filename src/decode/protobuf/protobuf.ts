import type { DescMessage } from '@bufbuild/protobuf';
import { Collector } from '../collector.ts';
import { type DecodeOptions, type Decoder, MalformedBodyError } from '../decode.ts';
import { rawOf } from '../decoded-record.ts';
import { Pace } from '../pace.ts';
import type { RecordFormat } from '../record-reader.ts';
import { compileFlat, FlatMessages, type FlatProgram, INVALID, UNCERTAIN, WRITTEN } from './flat-message.ts';
import { isTooLong, readMessage } from './message-record.ts';
import { TargetFinder, type TargetOptions } from './message-target.ts';
import { createSchemaCompiler } from './message-types.ts';
import { PartError } from './part-error.ts';
import { VarintReader } from './varint.ts';

type Programs = WeakMap<DescMessage, FlatProgram | 'none'>;

/** Bytes of lines that a byte of messages makes, about: names are no part of a message. */
const LINE_BYTES = 2;

/** `application/x-protobuf`: the body is one message, which is one record. */
export function createProtobufDecoder(format: RecordFormat): Decoder {
  const openBody = createBodyOpener(format);
  return function* decode(body, options) {
    const reader = openBody(body, options);
    if (body.length > 0 && !reader.add(0, body.length)) yield* reader.judge(0, body.length);
    return yield* reader.collector.finish();
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
    const reader = openBody(body, options);
    const varints = new VarintReader(body);
    const pace = new Pace(reader.collector.check?.cost);
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
    return yield* reader.collector.finish();
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
  const compile = createSchemaCompiler(format.schemas);
  const programs = { keep: new WeakMap(), drop: new WeakMap() } satisfies Record<
    DecodeOptions['extraFields'],
    Programs
  >;
  return function openBody(body: Buffer, options: DecodeOptions): BodyReader {
    return new BodyReader(body, { format, compile, programs: programs[options.extraFields], options });
  };
}

interface BodyReaderOptions {
  readonly format: RecordFormat;
  readonly compile: TargetOptions['compile'];
  readonly programs: Programs;
  readonly options: DecodeOptions;
}

class BodyReader {
  readonly collector: Collector;
  readonly #body: Buffer;
  readonly #format: RecordFormat;
  readonly #options: DecodeOptions;
  readonly #targets: TargetFinder;
  readonly #flat: FlatReader;
  /** What is wrong with the message that `add` did not add, if it has no type. */
  #problem: string | undefined;
  /** Whether it is certainly invalid. */
  #isInvalid = false;

  constructor(body: Buffer, { format, compile, programs, options }: BodyReaderOptions) {
    const stream = format.stream.name;
    const expected = Math.ceil(body.length * LINE_BYTES);
    const check = format.checkOfNow();
    const { messageType } = options;
    const contentType = `application/x-protobuf${messageType === undefined ? '' : `; messageType=${messageType}`}`;
    this.collector = new Collector(body, { ...options, stream, noun: 'record', expected, check, contentType });
    this.#body = body;
    this.#format = format;
    this.#options = options;
    this.#targets = new TargetFinder(body, { stream, schemas: format.schemas, compile, messageType });
    this.#flat = new FlatReader(body, format.layout, programs, options);
  }

  /** FAST PATH. Adds the record of the message at [from, end), its prefix included; false, and nothing done, where `judge` must. */
  add(from: number, end: number): boolean {
    const targets = this.#targets;
    this.#problem = targets.find(from, end);
    this.#isInvalid = false;
    const { desc, start } = targets;
    if (this.#problem !== undefined || desc === undefined || isTooLong(end - start, this.#options)) return false;
    const verdict = this.#flat.add(desc, start, end, this.collector);
    this.#isInvalid = verdict === INVALID;
    return verdict === WRITTEN;
  }

  /** Adds the record of the message that `add` did not add, or its fault. */
  *judge(from: number, end: number): Generator<undefined, void, undefined> {
    const { collector } = this;
    const { desc, start } = this.#targets;
    const problem = this.#problem;
    const raw = () => `base64:${this.#body.toString('base64', from, end)}`;
    if (this.#isInvalid && !collector.isListing) collector.reject();
    else if (problem !== undefined || desc === undefined) collector.add({ field: '', problem: problem ?? '' }, raw);
    else {
      const { layout } = this.#format;
      const { result, fields } = yield* readMessage(layout, desc, this.#body, { start, end }, this.#options);
      collector.add(result, fields === undefined ? raw : () => rawOf(fields));
    }
  }
}

/** The fast path of one body, for the types that have one. */
class FlatReader {
  readonly #body: Buffer;
  readonly #layout: RecordFormat['layout'];
  readonly #programs: Programs;
  readonly #options: DecodeOptions;
  /** The type of the message before, and what reads it. */
  #desc: DescMessage | undefined;
  #messages: FlatMessages | undefined;
  readonly #made = new Map<DescMessage, FlatMessages | undefined>();

  constructor(body: Buffer, layout: RecordFormat['layout'], programs: Programs, options: DecodeOptions) {
    this.#body = body;
    this.#layout = layout;
    this.#programs = programs;
    this.#options = options;
  }

  /** FAST PATH. Adds the message to the collector if it is WRITTEN; else nothing is done. */
  add(desc: DescMessage, start: number, end: number, collector: Collector): number {
    if (desc !== this.#desc) this.#enter(desc);
    const messages = this.#messages;
    if (messages === undefined) return UNCERTAIN;
    const { writer } = collector.lines;
    const used = writer.used;
    const verdict = messages.write(writer, start, end);
    if (verdict !== WRITTEN) return verdict;
    return collector.addWritten(messages.line.instants.hour, used) ? WRITTEN : UNCERTAIN;
  }

  #enter(desc: DescMessage): void {
    this.#desc = desc;
    if (!this.#made.has(desc)) {
      let program = this.#programs.get(desc);
      program ??= compileFlat(this.#layout, desc, this.#options.extraFields) ?? 'none';
      this.#programs.set(desc, program);
      this.#made.set(desc, program === 'none' ? undefined : new FlatMessages(this.#body, this.#layout, program));
    }
    this.#messages = this.#made.get(desc);
  }
}
