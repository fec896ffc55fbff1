import type { FuzzTarget } from './fuzz.ts';
import { avroTarget } from './targets/avro.ts';
import { compressedHourTarget } from './targets/compressed-hour.ts';
import { configTarget } from './targets/config.ts';
import { decodeTarget } from './targets/decode.ts';
import { framesTarget } from './targets/frames.ts';
import { httpTarget } from './targets/http.ts';
import { kafkaTarget } from './targets/kafka.ts';
import { lineStoreTarget } from './targets/line-store.ts';
import { journalTarget, keysTarget, spoolTarget } from './targets/log-files.ts';
import { protobufSchemaTarget, protobufTarget } from './targets/protobuf.ts';
import { queryTarget } from './targets/query.ts';
import { storeTarget } from './targets/store.ts';
import { summaryTarget } from './targets/summary.ts';
import { textTarget } from './targets/text.ts';
import { unpackTarget } from './targets/unpack.ts';
import { unpackFileTarget } from './targets/unpack-file.ts';

/** Every target. `make fuzz` runs them in this order. */
export const TARGETS: readonly FuzzTarget[] = [
  httpTarget,
  decodeTarget,
  textTarget,
  protobufTarget,
  protobufSchemaTarget,
  avroTarget,
  framesTarget,
  unpackTarget,
  unpackFileTarget,
  kafkaTarget,
  configTarget,
  journalTarget,
  spoolTarget,
  keysTarget,
  summaryTarget,
  queryTarget,
  compressedHourTarget,
  storeTarget,
  lineStoreTarget,
];
