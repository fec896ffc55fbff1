import type { Layout } from '../../lines/layout.ts';
import { BatchTooLargeError } from '../../model/deliver.ts';
import { Collector } from '../collector.ts';
import { type Decoded, type DecodeOptions, type Decoder, MalformedBodyError } from '../decode.ts';
import { encodeFields, rawOf } from '../decoded-record.ts';
import { Pace } from '../pace.ts';
import { exceeds } from '../record.ts';
import type { RecordFormat } from '../record-reader.ts';
import { PackedFault } from './codecs.ts';
import { type Block, isContainer, readBlock, readContainer, writeContainer } from './container.ts';
import { DatumReader } from './datum-reader.ts';
import { AvroFault } from './fault.ts';
import { FlatReader } from './flat-reader.ts';
import { createReadings, type Readings } from './readings.ts';
import { type AvroSchemas, createAvroSchemas, type RecordSchema } from './schemas.ts';

/** What decoding one body works with. */
interface Parts {
  readonly layout: Layout;
  readonly schemas: AvroSchemas;
  readonly body: Buffer;
  readonly collector: Collector;
  readonly options: DecodeOptions;
  readonly pace: Pace;
}

/**
 * `avro/binary`: one record, or an object container file. The record of a body may follow the wire format of Confluent or the
 * single-object encoding; else the newest schema of the subject `<stream>-avro` describes it. Since a bare record may by chance begin as
 * one of these does, a body is read in each way that its beginning allows, until one fits it to its last byte.
 *
 * One record that cannot be read is an invalid record. In a file it makes the body malformed, since the ends of all later records of its
 * block are then unknown.
 */
export function createAvroDecoder({ stream, layout, schemas: registry, checkOfNow }: RecordFormat): Decoder {
  const schemas = createAvroSchemas(layout, registry);
  const readings = createReadings({ stream: stream.name, registry, schemas });

  return function* decode(body, options) {
    const expected = Math.ceil(body.length * 1.5);
    const check = checkOfNow();
    const collector = new Collector(body, {
      ...options,
      stream: stream.name,
      noun: 'record',
      expected,
      check,
      contentType: 'avro/binary',
    });
    const parts = { layout, schemas, body, collector, options, pace: new Pace(check?.cost) };
    if (body.length === 0) return yield* collector.finish();
    return isContainer(body) ? yield* decodeContainer(parts) : yield* decodeOne(parts, readings);
  };
}

function* decodeOne(parts: Parts, readings: Readings): Generator<undefined, Decoded, undefined> {
  const { body, collector } = parts;
  let first: AvroFault | undefined;
  for (const { schema, start } of readings.of(body)) {
    try {
      yield* addRecords(parts, { bytes: body, start, end: body.length, count: 1, schema, toBody: () => body });
      return yield* collector.finish();
    } catch (error) {
      if (!(error instanceof AvroFault)) throw error;
      first ??= error;
    }
  }
  const idFault = readings.idFault(body);
  if (idFault !== undefined) {
    throw new MalformedBodyError(`${idFault}; read as a record without an id: ${first?.message}`);
  }
  collector.add({ field: '', problem: `is not Avro: ${first?.message}` }, () => base64(body));
  return yield* collector.finish();
}

function* decodeContainer(parts: Parts): Generator<undefined, Decoded, undefined> {
  const { body, collector, options, pace } = parts;
  const { lines } = collector;
  const container = inFile('the header', () => readContainer(body));
  const schema = parts.schemas.ofText(container.schema);
  const claimed = { bytes: 0 };
  // The memory of one block is free again before the next is unpacked.
  const claim = (bytes: number) => {
    lines.claim(Math.max(bytes - claimed.bytes, 0));
    claimed.bytes = Math.max(bytes, claimed.bytes);
  };
  let unpacked = 0;
  let number = 0;
  for (let at = container.start; at < body.length; number++) {
    const block: Block = inFile(`block ${number}`, () => readBlock(body, at, container));
    at = block.next;
    const name = `block ${number} (at byte ${block.at} of the body)`;
    const packed = body.subarray(block.start, block.end);
    const bytes = inFile(name, () => container.codec(packed, claim));
    unpacked += bytes.length;
    if (unpacked > options.maxBatchBytes) throw tooLarge(unpacked, options.maxBatchBytes);
    if (bytes !== packed && pace.spent(bytes.length)) yield;
    // A record takes at least a byte: one without any has no fields.
    if (block.count > bytes.length) {
      const most = new AvroFault(
        block.at,
        `a count of at most ${bytes.length} records, for the bytes of the block`,
        String(block.count),
      );
      throw malformed(name, most);
    }
    try {
      const toBody = (from: number, to: number) => writeContainer(container.schema, bytes.subarray(from, to));
      yield* addRecords(parts, { bytes, start: 0, end: bytes.length, count: block.count, schema, toBody });
    } catch (error) {
      throw error instanceof AvroFault ? malformed(`record ${collector.index} in ${name}`, error) : error;
    }
  }
  return yield* collector.finish();
}

function inFile<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof AvroFault || error instanceof PackedFault) throw malformed(what, error);
    throw error;
  }
}

function malformed(what: string, fault: AvroFault | PackedFault): MalformedBodyError {
  const problem = fault instanceof PackedFault ? `cannot be unpacked: ${fault.message}` : fault.message;
  return new MalformedBodyError(`not an Avro file: ${what}: ${problem}`);
}

function tooLarge(bytes: number, limit: number): BatchTooLargeError {
  const message = `the Avro file unpacks to more than ${limit} bytes (ingestion.maxBatchBytes); nothing was stored; send smaller files`;
  return new BatchTooLargeError(message, { bytes, limit });
}

interface Data {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Records that must end where the data do. */
  readonly count: number;
  readonly schema: RecordSchema;
  /** A body of the record at [start, end) alone. */
  readonly toBody: (start: number, end: number) => Buffer;
}

function base64(bytes: Buffer): string {
  return `base64:${bytes.toString('base64')}`;
}

/** Adds the records to the collector. An AvroFault that it throws names the place in `bytes`. */
function* addRecords({ layout, collector, options, pace }: Parts, data: Data): Generator<undefined, void, undefined> {
  const { bytes, start, end, count, schema } = data;
  const { lines } = collector;
  const flatSchema = schema.flat(options.extraFields);
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
    if (isWhole && flat?.line.write(writer) === true && collector.addWritten(flat.line.instants.hour, used)) {
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
    collector.add(result, () => (isTooLong ? base64(data.toBody(from, to)) : rawOf(fields)));
    if (pace.spent(at - from)) yield;
  }
  if (count === 0) expectEnd(at, end);
}

function expectEnd(at: number, end: number): void {
  if (at !== end) throw new AvroFault(at, 'the end', `${end - at} bytes after the last record`);
}
