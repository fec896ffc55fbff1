import { EncodeError, type Encoding, type Fields, type Format } from '../generate.ts';
import { avroEncoding } from './avro.ts';
import type { FetchedSchema } from './fetch-schema.ts';
import { journaldEncoding, jsonEncoding } from './json-formats.ts';
import { protobufEncoding } from './protobuf.ts';
import { combinedEncoding, csvEncoding, rawEncoding, syslog3164Encoding, syslog5424Encoding } from './text-formats.ts';

/** The two forms of syslog, by the numbers of their RFCs. */
export const SYSLOG_RFCS = ['5424', '3164'] as const;
export type SyslogRfc = (typeof SYSLOG_RFCS)[number];

export interface EncodingOptions {
  readonly format: Format;
  readonly rfc: SyslogRfc;
  /** One record of the run: CSV takes its columns from it. */
  readonly example: Fields;
  /** From the registry; else the built-in LogEntry for proto and avro, and no check for others. */
  readonly schema?: FetchedSchema | undefined;
  /** Why a JSON Schema refuses a record, as one JSON object; undefined where it accepts it. */
  readonly faultOf?: ((json: string) => string | undefined) | undefined;
}

/** Throws EncodeError for a schema that cannot be used. */
export function createEncoding({ format, rfc, example, schema, faultOf }: EncodingOptions): Encoding {
  const encoding = {
    json: () => jsonEncoding('json'),
    ndjson: () => jsonEncoding('ndjson'),
    csv: () => csvEncoding(Object.keys(example)),
    combined: () => combinedEncoding,
    raw: () => rawEncoding,
    syslog: () => (rfc === '3164' ? syslog3164Encoding : syslog5424Encoding),
    journald: () => journaldEncoding,
    avro: () => avroEncoding(schema?.format === 'avro' ? schema.text : undefined),
    proto: () =>
      protobufEncoding(schema?.format === 'proto' ? { set: schema.descriptor, name: schema.name } : undefined),
  }[format]();
  return faultOf === undefined ? encoding : checked(encoding, faultOf);
}

/** Refuses each record that the JSON Schema refuses. */
function checked(encoding: Encoding, faultOf: (json: string) => string | undefined): Encoding {
  return {
    ...encoding,
    encode(record) {
      const fault = faultOf(JSON.stringify(record.fields));
      if (fault !== undefined) throw new EncodeError(`a record does not fit the JSON Schema: ${fault}`);
      return encoding.encode(record);
    },
  };
}
