import type { Collector } from '../collector.ts';
import { type DecodeOptions, MalformedBodyError } from '../decode.ts';
import type { Pace } from '../pace.ts';
import type { RecordFormat } from '../record-reader.ts';
import { addDatum, base64, CONTENT_TYPE, flatOf, type Parts } from './add-records.ts';
import { readFingerprint } from './fingerprint.ts';
import { FlatReader } from './flat-reader.ts';
import { createReadings, type Readings } from './readings.ts';
import { createAvroSchemas } from './schemas.ts';

const MAGIC = 0;

export interface OpenData {
  readonly body: Buffer;
  readonly options: DecodeOptions;
  readonly collector: Collector;
  readonly pace: Pace;
}

/** Opens a reader for each body. What is compiled of schemas is kept between bodies. */
export function createDataOpener(format: RecordFormat): (parts: OpenData) => BareData {
  const { stream, layout, schemas: registry } = format;
  const schemas = createAvroSchemas(layout, registry);
  const readings = createReadings({ stream: stream.name, registry, schemas });
  return function openData({ body, options, collector, pace }) {
    const parts = { layout, collector, options, pace };
    const newest = readings.newest();
    const flat = newest instanceof MalformedBodyError ? undefined : newest && flatOf(newest.schema, layout, options);
    return new BareData(body, parts, readings, flat && new FlatReader(body, layout, flat));
  };
}

/** Reads data of Avro that stand anywhere in a body, each as a body of its own would be read, and adds each to the collector. */
export class BareData {
  readonly #body: Buffer;
  readonly #parts: Parts;
  readonly #readings: Readings;
  /** By the newest schema. */
  readonly #flat: FlatReader | undefined;

  constructor(body: Buffer, parts: Parts, readings: Readings, flat: FlatReader | undefined) {
    this.#body = body;
    this.#parts = parts;
    this.#readings = readings;
    this.#flat = flat;
  }

  /** FAST PATH. Adds the datum at [start, end); false, and nothing done, where `judge` must. */
  add(start: number, end: number): boolean {
    const flat = this.#flat;
    if (flat === undefined || this.#mayName(start, end) || flat.read(start, end) !== end) return false;
    const { collector, layout } = this.#parts;
    const { writer } = collector.lines;
    const used = writer.used;
    if (flat.line.write(writer) && collector.addWritten(flat.line.instants.hour, used, layout.fieldEnds)) return true;
    writer.used = used;
    return false;
  }

  /** Adds the datum that `add` did not add, or its fault. Gives whether it is valid. */
  *judge(start: number, end: number): Generator<undefined, boolean, undefined> {
    const { collector } = this.#parts;
    const accepted = collector.accepted;
    const datum = this.#body.subarray(start, end);
    const problem = yield* addDatum(this.#parts, this.#readings, datum);
    if (problem === undefined) return collector.accepted > accepted;
    const text = typeof problem === 'string' ? problem : `cannot be decoded: ${problem.message}`;
    return collector.add({ field: '', problem: text }, () => base64(datum), CONTENT_TYPE);
  }

  /** Whether the datum begins as one that names its schema. */
  #mayName(start: number, end: number): boolean {
    const first = this.#body[start];
    return first === MAGIC || (first === 0xc3 && readFingerprint(this.#body.subarray(start, end)) !== undefined);
  }
}
