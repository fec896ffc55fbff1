import type { DescMessage } from '@bufbuild/protobuf';
import type { Collector } from '../collector.ts';
import type { DecodeOptions } from '../decode.ts';
import { rawOf } from '../decoded-record.ts';
import { altersValidRecords } from '../map-fields.ts';
import type { RecordFormat } from '../record-reader.ts';
import { compileFlat, FlatMessages, type FlatProgram, INVALID, UNCERTAIN, WRITTEN } from './flat-message.ts';
import { isTooLong, readMessage } from './message-record.ts';
import { TargetFinder } from './message-target.ts';
import { createSchemaCompiler } from './message-types.ts';

type Programs = WeakMap<DescMessage, FlatProgram | 'none'>;

/** Bytes of lines that a byte of messages makes, about: names are no part of a message. */
export const LINE_BYTES = 2;

export interface OpenMessages {
  readonly body: Buffer;
  readonly options: DecodeOptions;
  readonly collector: Collector;
}

/** The content type of a body that is one message. */
export function contentTypeOf({ messageType }: DecodeOptions): string {
  return `application/x-protobuf${messageType === undefined ? '' : `; messageType=${messageType}`}`;
}

/** Opens a reader for each body. What is compiled of schemas is kept between bodies. */
export function createMessageOpener(format: RecordFormat): (parts: OpenMessages) => MessageReader {
  const compile = createSchemaCompiler(format.schemas);
  const programs = { keep: new WeakMap(), drop: new WeakMap() } satisfies Record<
    DecodeOptions['extraFields'],
    Programs
  >;
  return function openMessages({ body, options, collector }) {
    const { messageType, extraFields, mapping } = options;
    const { schemas } = format;
    const openTargets = (bytes: Buffer) =>
      new TargetFinder(bytes, { stream: format.stream.name, schemas, compile, messageType });
    const isFlat = mapping === undefined || !altersValidRecords(mapping, format.layout);
    const flat = isFlat ? new FlatReader(body, format.layout, programs[extraFields], options) : undefined;
    return new MessageReader({ body, options, collector }, format, openTargets, flat);
  };
}

/** Reads messages that stand anywhere in a body, and adds each to the collector. */
export class MessageReader {
  readonly #collector: Collector;
  readonly #body: Buffer;
  readonly #format: RecordFormat;
  readonly #options: DecodeOptions;
  readonly #openTargets: (bytes: Buffer) => TargetFinder;
  readonly #targets: TargetFinder;
  /** Undefined where the mapping changes records that are valid without it. */
  readonly #flat: FlatReader | undefined;
  /** What is wrong with the message that `add` did not add, if it has no type. */
  #problem: string | undefined;
  /** Whether it is certainly invalid. */
  #isInvalid = false;

  constructor(
    { body, options, collector }: OpenMessages,
    format: RecordFormat,
    openTargets: (bytes: Buffer) => TargetFinder,
    flat: FlatReader | undefined,
  ) {
    this.#collector = collector;
    this.#body = body;
    this.#format = format;
    this.#options = options;
    this.#openTargets = openTargets;
    this.#targets = openTargets(body);
    this.#flat = flat;
  }

  /** FAST PATH. Adds the record of the message at [from, end), its prefix included; false, and nothing done, where `judge` must. */
  add(from: number, end: number): boolean {
    const targets = this.#targets;
    this.#problem = targets.find(from, end);
    this.#isInvalid = false;
    const { desc, start } = targets;
    if (this.#problem !== undefined || desc === undefined || isTooLong(end - start, this.#options)) return false;
    const verdict = this.#flat?.add(desc, start, end, this.#collector) ?? UNCERTAIN;
    this.#isInvalid = verdict === INVALID;
    return verdict === WRITTEN;
  }

  /**
   * Adds the record of the message that `add` did not add, or its fault. Gives whether it is valid. Places in
   * its fault are those in the body; in a block, which the sender does not know, those in the message.
   */
  *judge(from: number, end: number): Generator<undefined, boolean, undefined> {
    const collector = this.#collector;
    const { desc, start } = this.#targets;
    const problem = this.#problem;
    const raw = () => `base64:${this.#body.toString('base64', from, end)}`;
    if (this.#isInvalid && !collector.isListing) {
      collector.reject();
      return false;
    }
    const contentType = contentTypeOf(this.#options);
    const shift = this.#options.isBlock === true ? from : 0;
    const bytes = this.#body.subarray(shift, end);
    if (problem !== undefined || desc === undefined) {
      const shifted = shift === 0 ? problem : this.#openTargets(bytes).find(0, bytes.length);
      return collector.add({ field: '', problem: shifted ?? '' }, raw, contentType);
    }
    const { layout } = this.#format;
    const span = { start: start - shift, end: end - shift };
    const { result, fields } = yield* readMessage(layout, desc, bytes, span, this.#options);
    return collector.add(result, fields === undefined ? raw : () => rawOf(fields), contentType);
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
    const { hour } = messages.line.instants;
    return collector.addWritten(hour, used, this.#layout.fieldEnds) ? WRITTEN : UNCERTAIN;
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
