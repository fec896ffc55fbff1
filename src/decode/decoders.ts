import { decodeCsv } from './csv.ts';
import type { BodyFormat, Decoder } from './decode.ts';
import { decodeJson } from './json.ts';
import { decodeNdjson } from './ndjson.ts';

/** Every body format and its decoder. */
export const decoders: Readonly<Record<BodyFormat, Decoder>> = {
  json: decodeJson,
  ndjson: decodeNdjson,
  csv: decodeCsv,
};
