import { createLayout } from '../lines/layout.ts';
import { BUILTIN_SCHEMAS } from '../model/builtin-schemas.ts';
import type { Schemas } from '../model/schema.ts';
import { ACCESS_STREAM, type Stream } from '../model/stream.ts';
import { createAvroDecoder } from './avro/avro.ts';
import { createCsvDecoder } from './csv.ts';
import type { BodyFormat, Decoder, Decoders } from './decode.ts';
import { FastReader } from './fast-reader.ts';
import { createJsonDecoder } from './json.ts';
import { createNdjsonDecoder } from './ndjson.ts';
import { createDelimitedDecoder, createProtobufDecoder } from './protobuf/protobuf.ts';
import type { CreateRecordReader, RecordFormat, RecordReader } from './record-reader.ts';

/** Makes the decoder of one format for the records of one stream. */
type MakeDecoder = (format: RecordFormat) => Decoder;

const MAKERS: Readonly<Record<BodyFormat, MakeDecoder>> = {
  json: createJsonDecoder,
  ndjson: createNdjsonDecoder,
  csv: createCsvDecoder,
  protobuf: createProtobufDecoder,
  'protobuf-delimited': createDelimitedDecoder,
  avro: createAvroDecoder,
};

/** A decoder for every body format. Made once for each stream. `schemas`: what is registered, now and later. */
export function createDecoders(stream: Stream, schemas: Schemas = BUILTIN_SCHEMAS): Decoders {
  const format: RecordFormat = {
    stream,
    layout: createLayout(stream),
    createReader: createRecordReader(stream),
    schemas,
  };
  const { json, ndjson, csv, avro, protobuf } = MAKERS;
  return {
    json: json(format),
    ndjson: ndjson(format),
    csv: csv(format),
    avro: avro(format),
    protobuf: protobuf(format),
    'protobuf-delimited': MAKERS['protobuf-delimited'](format),
  };
}

/** Leaves every record to the reference reader. */
const NO_READER: RecordReader = {
  acceptRun: (at) => at,
  find: () => -1,
  accept: () => false,
  invalidEnd: () => -1,
};

function createRecordReader(stream: Stream): CreateRecordReader {
  if (stream !== ACCESS_STREAM) return () => NO_READER;
  return (body, collector, options) => new FastReader(body, collector, options);
}
