import { BatchTooLargeError } from '../../model/deliver.ts';
import { Collector } from '../collector.ts';
import { type Decoded, type Decoder, MalformedBodyError } from '../decode.ts';
import { Pace } from '../pace.ts';
import type { RecordFormat } from '../record-reader.ts';
import { addDatum, addRecords, base64, CONTENT_TYPE, type Parts } from './add-records.ts';
import { PackedFault } from './codecs.ts';
import { type Block, isContainer, readBlock, readContainer, writeContainer } from './container.ts';
import { AvroFault } from './fault.ts';
import { createReadings, type Readings } from './readings.ts';
import { type AvroSchemas, createAvroSchemas } from './schemas.ts';

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
    const collector = new Collector(body, { ...options, stream: stream.name, noun: 'record', expected, check });
    const parts = { layout, collector, options, pace: new Pace(check?.cost) };
    if (body.length === 0) return yield* collector.finish();
    return isContainer(body) ? yield* decodeContainer(parts, schemas, body) : yield* decodeOne(parts, readings, body);
  };
}

function* decodeOne(parts: Parts, readings: Readings, body: Buffer): Generator<undefined, Decoded, undefined> {
  const { collector } = parts;
  const problem = yield* addDatum(parts, readings, body);
  if (problem instanceof MalformedBodyError) throw problem;
  if (problem !== undefined) collector.add({ field: '', problem }, () => base64(body), CONTENT_TYPE);
  return yield* collector.finish();
}

function* decodeContainer(parts: Parts, schemas: AvroSchemas, body: Buffer): Generator<undefined, Decoded, undefined> {
  const { collector, options, pace } = parts;
  const { lines } = collector;
  const container = inFile('the header', () => readContainer(body));
  const schema = schemas.ofText(container.schema);
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
