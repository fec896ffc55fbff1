import { createLayout, type Layout } from '../lines/layout.ts';
import { BUILTIN_SCHEMAS } from '../model/builtin-schemas.ts';
import type { Schemas } from '../model/schema.ts';
import { ACCESS_STREAM, type Stream } from '../model/stream.ts';
import { createAvroDecoder } from './avro/avro.ts';
import { createCsvDecoder } from './csv.ts';
import type { BodyFormat, Decoder, Decoders, InputFormat } from './decode.ts';
import { FastReader } from './fast-reader.ts';
import { createFramesDecoder } from './frames/frames.ts';
import { createJsonDecoder } from './json.ts';
import { LayoutScan } from './layout-scan.ts';
import { createMappedJsonDecoder, createMappedNdjsonDecoder, orMapped } from './mapped.ts';
import { createNdjsonDecoder } from './ndjson.ts';
import { createDelimitedDecoder, createProtobufDecoder } from './protobuf/protobuf.ts';
import type { CreateRecordReader, RecordFormat } from './record-reader.ts';
import { RecordScan } from './record-scan.ts';
import { createScanPlan } from './scan-plan.ts';
import { createCheckOf } from './schema-check/schema-check.ts';
import { createTextDecoder } from './text/text-lines.ts';

/** Makes the decoder of one format for the records of one stream. */
type MakeDecoder = (format: RecordFormat) => Decoder;

const MAKERS: Readonly<Record<BodyFormat | InputFormat, MakeDecoder>> = {
  json: createJsonDecoder,
  ndjson: createNdjsonDecoder,
  csv: createCsvDecoder,
  protobuf: createProtobufDecoder,
  'protobuf-delimited': createDelimitedDecoder,
  avro: createAvroDecoder,
  text: createTextDecoder,
  frames: createFramesDecoder,
};

/** A decoder for every format. Made once for each stream. `schemas`: what is registered, now and later. */
export function createDecoders(stream: Stream, schemas: Schemas = BUILTIN_SCHEMAS): Decoders {
  const layout = createLayout(stream);
  const format: RecordFormat = {
    stream,
    layout,
    createReader: createRecordReader(stream, layout),
    schemas,
    checkOfNow: createCheckOf(stream.name, schemas, layout),
  };
  const { json, ndjson, csv, avro, protobuf, text, frames } = MAKERS;
  return {
    json: orMapped(json(format), createMappedJsonDecoder(format)),
    ndjson: orMapped(ndjson(format), createMappedNdjsonDecoder(format)),
    csv: csv(format),
    avro: avro(format),
    protobuf: protobuf(format),
    'protobuf-delimited': MAKERS['protobuf-delimited'](format),
    text: text(format),
    frames: frames(format),
  };
}

function createRecordReader(stream: Stream, layout: Layout): CreateRecordReader {
  if (stream === ACCESS_STREAM) {
    return (body, collector, options) => new FastReader(body, new RecordScan(body, options), collector, options);
  }
  const plan = createScanPlan(layout);
  return (body, collector, options) => new FastReader(body, new LayoutScan(plan, body, options), collector, options);
}
