import type { Layout } from '../../lines/layout.ts';
import type { Collector } from '../collector.ts';
import { type DecodeOptions, MalformedBodyError } from '../decode.ts';
import { encodeFields, rawOf } from '../decoded-record.ts';
import { altersValidRecords } from '../map-fields.ts';
import type { Pace } from '../pace.ts';
import { exceeds } from '../record.ts';
import { DatumReader } from './datum-reader.ts';
import { AvroFault } from './fault.ts';
import { FlatReader } from './flat-reader.ts';
import type { Readings } from './readings.ts';
import type { RecordSchema } from './schemas.ts';

export const CONTENT_TYPE = 'avro/binary';

/** What decoding one body works with. */
export interface Parts {
  readonly layout: Layout;
  readonly collector: Collector;
  readonly options: DecodeOptions;
  readonly pace: Pace;
}

export interface Data {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Records that must end where the data do. */
  readonly count: number;
  readonly schema: RecordSchema;
  /** A body of the record at [start, end) alone. */
  readonly toBody: (start: number, end: number) => Buffer;
}

export function base64(bytes: Buffer): string {
  return `base64:${bytes.toString('base64')}`;
}

/** Adds the records to the collector. An AvroFault that it throws names the place in `bytes`. */
export function* addRecords(
  { layout, collector, options, pace }: Parts,
  data: Data,
): Generator<undefined, void, undefined> {
  const { bytes, start, end, count, schema } = data;
  const { lines } = collector;
  const flatSchema = flatOf(schema, layout, options);
  const flat = flatSchema === undefined ? undefined : new FlatReader(bytes, layout, flatSchema);
  let reader: DatumReader | undefined;
  let at = start;
  for (let left = count; left > 0; left--) {
    const from = at;
    const flatEnd = flat === undefined ? -1 : flat.read(from, end);
    const isWhole = flatEnd !== -1 && (left > 1 || flatEnd === end);
    // A full writer is followed by another.
    const { writer } = lines;
    const used = writer.used;
    if (
      isWhole &&
      flat?.line.write(writer) === true &&
      collector.addWritten(flat.line.instants.hour, used, layout.fieldEnds)
    ) {
      at = flatEnd;
      if (pace.written(flatEnd - from)) yield;
      continue;
    }
    writer.used = used;
    reader ??= new DatumReader({ bytes, start, end }, options, pace);
    reader.at = from;
    const fields = yield* reader.record(schema.type);
    at = reader.at;
    if (left === 1) expectEnd(at, end);
    const { isTooLong } = reader;
    const result = isTooLong ? exceeds(options.maxRecordBytes) : encodeFields(layout, fields, options);
    const to = at;
    const raw = () => (isTooLong ? base64(data.toBody(from, to)) : rawOf(fields));
    collector.add(result, raw, CONTENT_TYPE);
    if (pace.spent(at - from)) yield;
  }
  if (count === 0) expectEnd(at, end);
}

function expectEnd(at: number, end: number): void {
  if (at !== end) throw new AvroFault(at, 'the end', `${end - at} bytes after the last record`);
}

/** What reads flat records of a schema; undefined where they are not flat, or the mapping changes records that are valid without it. */
export function flatOf(schema: RecordSchema, layout: Layout, { extraFields, mapping }: DecodeOptions) {
  const isFlat = mapping === undefined || !altersValidRecords(mapping, layout);
  return isFlat ? schema.flat(extraFields) : undefined;
}

/**
 * Adds the record of a body, read in each way that its beginning allows until one fits it to its last byte. Else gives what is wrong with it:
 * MalformedBodyError where its schema is not known.
 */
export function* addDatum(
  parts: Parts,
  readings: Readings,
  body: Buffer,
): Generator<undefined, string | MalformedBodyError | undefined, undefined> {
  let first: AvroFault | undefined;
  try {
    for (const { schema, start } of readings.of(body)) {
      try {
        yield* addRecords(parts, { bytes: body, start, end: body.length, count: 1, schema, toBody: () => body });
        return undefined;
      } catch (error) {
        if (!(error instanceof AvroFault)) throw error;
        first ??= error;
      }
    }
  } catch (error) {
    if (error instanceof MalformedBodyError) return error;
    throw error;
  }
  const idFault = readings.idFault(body);
  if (idFault === undefined) return `is not Avro: ${first?.message}`;
  return new MalformedBodyError(`${idFault}; read as a record without an id: ${first?.message}`);
}
