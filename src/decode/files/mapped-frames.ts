import type { FieldMap } from '../../model/field-map.ts';
import type { DecodeOptions } from '../decode.ts';
import type { FileFrame } from './cut-block.ts';
import { type DecodedFrames, decodeAsJson, decodersOf } from './decode-frames.ts';
import { explainInvalid, explainMissing } from './json-faults.ts';
import { type JsonObject, readJsonObject } from './json-text.ts';
import type { ReadingOptions } from './reading-options.ts';
import { createRecordMapper, type MapRecord } from './record-mapper.ts';

type ReadFrame = (bytes: Buffer) => JsonObject | { readonly reason: string };

/** Reads frames that are objects with a map, for any stream: what the map finds becomes JSON, and the decoder of lines judges it. */
export class MappedFrames {
  readonly #options: ReadingOptions;
  readonly #decoding: DecodeOptions;
  readonly #map: MapRecord;
  readonly #read: ReadFrame;
  readonly #noun: string;

  /** `read`: the object in a frame; by default the frame is JSON. `noun`: a frame in messages. */
  constructor(
    map: FieldMap,
    options: ReadingOptions,
    decoding: DecodeOptions,
    { read = readJson, noun = 'line' }: { readonly read?: ReadFrame; readonly noun?: string } = {},
  ) {
    this.#options = options;
    this.#decoding = decoding;
    this.#map = createRecordMapper(map, options.stream, options.zone);
    this.#read = read;
    this.#noun = noun;
  }

  decode(frames: readonly FileFrame[]): DecodedFrames {
    const { ndjson } = decodersOf(this.#options.stream);
    return decodeAsJson(ndjson, frames, (bytes) => this.#asRecord(bytes), this.#decoding);
  }

  #asRecord(bytes: Buffer): string | { readonly reason: string } {
    const object = this.#read(bytes);
    if ('reason' in object) return object as { readonly reason: string };
    const fields = this.#map(object);
    if (!('fault' in fields)) {
      return `{${[...fields].map(([name, token]) => `${JSON.stringify(name)}:${token}`).join(',')}}`;
    }
    const { fault, value, sources } = fields;
    if (value !== undefined) return { reason: explainInvalid(fault, value, sources) };
    return { reason: explainMissing(fault, object, sources, `the ${this.#noun}`) };
  }
}

function readJson(bytes: Buffer): ReturnType<ReadFrame> {
  return readJsonObject(bytes, 0, bytes.length);
}
