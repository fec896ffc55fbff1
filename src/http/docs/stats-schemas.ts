import { z } from 'zod';
import type { ServiceStats } from '../../live/live.ts';
import { RECORD_KINDS } from '../../model/record-kinds.ts';
import { component, count } from './api-schemas.ts';

/** The schemas of GET /stats, and of kinds and inputs in the live figures; see api-schemas.ts. */

const measure = z.number().min(0);

const kind = z.enum(RECORD_KINDS).describe('What a record came as.');

export const liveKind = component(
  'LiveKind',
  z.object({
    kind,
    rate: measure.describe('Records accepted a second, over the last second.'),
    total: measure.describe('Records accepted since the start.'),
  }),
);

const inputRates = component(
  'InputRates',
  z.object({
    records: measure.describe('Records that came in, invalid ones included.'),
    bytes: measure.describe('Bytes of frames.'),
    dropped: measure.describe('Frames that were dropped.'),
    refused: measure.describe('Connections that were closed or not accepted.'),
  }),
);

export const liveInput = component(
  'LiveInput',
  z.object({
    name: z.string().meta({ examples: ['syslog'] }),
    rates: inputRates.describe('Per second, over the last second.'),
    totals: inputRates.describe('Since the start.'),
    connections: measure,
    inFlightBytes: measure,
    maxInFlightBytes: measure,
  }),
);

const samplesOf = <T extends z.ZodType>(sample: T) =>
  z.object({
    json: z.array(sample),
    proto: z.array(sample),
    avro: z.array(sample),
    raw: z.array(sample),
    syslog: z.array(sample),
    journald: z.array(sample),
  });

export const kindSamples = component(
  'KindSamples',
  samplesOf(
    z.object({
      time: z.number().describe('Unix time in milliseconds.'),
      line: z.string().describe('The stored line, or its first KiB.'),
    }),
  ).describe('The last stored lines by what they came as, newest first, at most three of each.'),
);

const sourceFigures = component(
  'SourceFigures',
  z.object({
    source: z.string().describe('The address of a client of HTTP, the name of an input, or `other`.'),
    records: count,
    bytes: count.describe('Bytes of bodies or frames, uncompressed.'),
    rate: measure.describe('Records a second, over the last seconds.'),
    last_seen: z.string().describe('RFC 3339.'),
  }),
);

export const serviceStats = component(
  'ServiceStats',
  z.object({
    logs_per_sec: measure.describe('Records accepted in the last second.'),
    mb_per_sec: measure.describe('MB (1,000,000 bytes) of stored lines in the last second.'),
    latency_us: measure.describe(
      'Microseconds from the last byte of a batch to its commit: the mean over the records of the last ten seconds.',
    ),
    queue_length: count.describe('Records in flight.'),
    file_rotations: count.describe('Files that outputs rotated; 0 without outputs.'),
    dropped: count.describe('Frames that inputs dropped since the start, the kernel included.'),
    json: count.describe('Records accepted since the start, by what they came as.'),
    proto: count,
    avro: count,
    raw: count,
    syslog: count,
    journald: count,
    samples: samplesOf(z.string()).describe(
      'The last stored lines as text, newest first, at most three of each and 1 KiB of each.',
    ),
    sources: z
      .array(sourceFigures)
      .optional()
      .describe('With `logging.sources`: who has sent since the start, the largest first, at most 1,000.'),
  }) satisfies z.ZodType<ServiceStats>,
);
