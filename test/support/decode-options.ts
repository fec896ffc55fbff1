import type { DecodeOptions } from '../../src/decode/decode.ts';

/** The options of a decoder as the service has them by default. */
export const DECODE_OPTIONS: DecodeOptions = {
  maxRecordBytes: 262_144,
  maxDepth: 64,
  maxBatchBytes: 64 * 1024 * 1024,
  maxHours: 1_000,
  extraFields: 'keep',
  invalid: 'reject',
};
