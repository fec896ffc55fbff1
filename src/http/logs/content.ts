import type { BodyFormat } from '../../decode/decode.ts';

export const ACCEPTED_TYPES = 'application/json, application/x-ndjson, text/csv, avro/binary';
export const ACCEPTED_CODINGS = 'gzip, deflate, br, zstd';

export type Coding = 'identity' | 'gzip' | 'deflate' | 'br' | 'zstd';

const FORMATS: ReadonlyMap<string, BodyFormat> = new Map([
  ['application/json', 'json'],
  ['application/x-ndjson', 'ndjson'],
  ['application/ndjson', 'ndjson'],
  ['application/jsonl', 'ndjson'],
  ['text/csv', 'csv'],
  ['avro/binary', 'avro'],
  ['application/avro', 'avro'],
  ['application/x-avro', 'avro'],
  ['application/vnd.apache.avro+binary', 'avro'],
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

/** The format that a Content-Type names, whatever its case and parameters; undefined for an unknown type or none. */
export function readFormat(contentType: string | undefined): BodyFormat | undefined {
  if (contentType === undefined) return undefined;
  return FORMATS.get(contentType) ?? FORMATS.get((contentType.split(';', 1)[0] ?? '').trim().toLowerCase());
}

/** Empty members of a list, which do not count (RFC 9110, 5.6.1). */
const EMPTY_MEMBERS = /^[\s,]+|[\s,]+$/g;

/** The one coding that a Content-Encoding names; undefined for an unknown coding and for more than one. */
export function readCoding(contentEncoding: string | undefined): Coding | undefined {
  if (contentEncoding === undefined) return 'identity';
  return CODINGS.get(contentEncoding) ?? CODINGS.get(contentEncoding.replace(EMPTY_MEMBERS, '').toLowerCase());
}
