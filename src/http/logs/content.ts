import type { BodyFormat } from '../../decode/decode.ts';

export const ACCEPTED_TYPES = 'application/json, application/x-ndjson, text/csv, avro/binary, application/x-protobuf';
export const ACCEPTED_CODINGS = 'gzip, deflate, br, zstd';

export type Coding = 'identity' | 'gzip' | 'deflate' | 'br' | 'zstd';

/** What a Content-Type says of a body. */
export interface BodyType {
  readonly format: BodyFormat;
  /** Protobuf: full name of the message, if the type names one. */
  readonly messageType?: string;
}

const JSON_TYPE: BodyType = { format: 'json' };
const NDJSON: BodyType = { format: 'ndjson' };
const CSV: BodyType = { format: 'csv' };
const AVRO: BodyType = { format: 'avro' };
const PROTOBUF: BodyType = { format: 'protobuf' };
const DELIMITED: BodyType = { format: 'protobuf-delimited' };

const TYPES: ReadonlyMap<string, BodyType> = new Map([
  ['application/json', JSON_TYPE],
  ['application/x-ndjson', NDJSON],
  ['application/ndjson', NDJSON],
  ['application/jsonl', NDJSON],
  ['text/csv', CSV],
  ['avro/binary', AVRO],
  ['application/avro', AVRO],
  ['application/x-avro', AVRO],
  ['application/vnd.apache.avro+binary', AVRO],
  ['application/x-protobuf', PROTOBUF],
  ['application/protobuf', PROTOBUF],
  ['application/vnd.google.protobuf', PROTOBUF],
  ['application/x-protobuf-delimited', DELIMITED],
]);

const CODINGS: ReadonlyMap<string, Coding> = new Map([
  ['', 'identity'],
  ['identity', 'identity'],
  ['gzip', 'gzip'],
  // RFC 9110, 8.4.1.3: the same as gzip.
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'br'],
  ['zstd', 'zstd'],
]);

/** The format that a Content-Type names, whatever its case; undefined for an unknown type or none. */
export function readType(contentType: string | undefined): BodyType | undefined {
  if (contentType === undefined) return undefined;
  const known = TYPES.get(contentType);
  if (known !== undefined) return known;
  const type = TYPES.get((contentType.split(';', 1)[0] ?? '').trim().toLowerCase());
  return type === PROTOBUF || type === DELIMITED ? readProtobufType(type, contentType) : type;
}

/** `; name=value`, the value perhaps in quotes (RFC 9110, 5.6.6). */
const PARAMETER = /;[ \t]*([^\s;="]+)=(?:"([^"\\]*)"|([^\s;"]*))[ \t]*/g;
const MESSAGE_TYPE = /^[A-Za-z_][\w.]{0,255}$/;

/**
 * Whether a body is one message or many is never guessed: `delimited=true` says it. Undefined where a parameter that decides has another
 * value. All other parameters are ignored.
 */
function readProtobufType(type: BodyType, contentType: string): BodyType | undefined {
  let found = type;
  for (const [, name = '', quoted, plain = ''] of contentType.matchAll(PARAMETER)) {
    const value = quoted ?? plain;
    if (name.toLowerCase() === 'delimited') {
      if (value !== 'true' && (value !== 'false' || type === DELIMITED)) return undefined;
      found = { ...found, format: value === 'true' ? DELIMITED.format : PROTOBUF.format };
    } else if (name.toLowerCase() === 'messagetype') {
      if (!MESSAGE_TYPE.test(value)) return undefined;
      found = { ...found, messageType: value };
    }
  }
  return found;
}

/** Empty members of a list, which do not count (RFC 9110, 5.6.1). */
const EMPTY_MEMBERS = /^[\s,]+|[\s,]+$/g;

/** The one coding that a Content-Encoding names; undefined for an unknown coding and for more than one. */
export function readCoding(contentEncoding: string | undefined): Coding | undefined {
  if (contentEncoding === undefined) return 'identity';
  return CODINGS.get(contentEncoding) ?? CODINGS.get(contentEncoding.replace(EMPTY_MEMBERS, '').toLowerCase());
}
