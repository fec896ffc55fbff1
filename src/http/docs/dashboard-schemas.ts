import { z } from 'zod';
import type { LiveHistory, LiveStats } from '../../live/live.ts';
import { component, count, hourParameter, hourText, streamParameter, version } from './api-schemas.ts';
import { kindSamples, liveInput, liveKind } from './stats-schemas.ts';

/** The schemas of the dashboard and of the event streams; see api-schemas.ts. */

const measure = z.number().min(0);

const rates = component(
  'LiveRates',
  z.object({
    batches: measure.describe('Requests to POST /logs.'),
    refusedBatches: measure.describe('Requests answered 4xx.'),
    failedBatches: measure.describe('Requests answered 5xx.'),
    bytes: measure.describe('Bytes of decoded bodies and of frames of inputs.'),
    accepted: measure.describe('Records answered 202, and those that inputs took.'),
    stored: measure.describe('Records stored.'),
    rejected: measure.describe('Invalid records.'),
    deadLettered: measure.describe('Records put aside with their reasons.'),
    duplicate: measure.describe('Records that were stored before.'),
  }),
);

const quantiles = component('Quantiles', z.object({ p50: measure, p99: measure }).describe('In seconds.'));

const queue = component(
  'LiveQueue',
  z.object({
    up: z.boolean().describe('Whether the broker answers.'),
    lagMessages: measure.describe('Messages that are not stored yet.'),
    lagSeconds: measure.describe('Age of the oldest of them.'),
    breaker: z.string().meta({ examples: ['closed'] }),
    spoolBytes: measure,
    spoolBatches: measure,
    spoolAgeSeconds: measure.describe('Age of the oldest batch in the spool.'),
  }),
);

const streamRates = component(
  'StreamRates',
  z.object({ stored: measure.describe('Records stored.'), bytes: measure.describe('Bytes of stored lines.') }),
);

const liveStream = component(
  'LiveStream',
  z.object({
    name: z.string().meta({ examples: ['events'] }),
    rates: streamRates.describe('Per second, over the last second.'),
    totals: streamRates.describe('Since the start.'),
  }),
);

export const liveStats = component(
  'LiveStats',
  z.object({
    time: z.number().describe('Unix time in milliseconds.'),
    uptimeSeconds: measure,
    rates: rates.describe('Per second, over the last second.'),
    totals: rates.describe('Since the start.'),
    latency: quantiles
      .nullable()
      .describe('Time to answer POST /logs, over the last ten seconds; null without requests.'),
    sync: quantiles
      .nullable()
      .describe('Time of the syncs in a commit, over the last ten seconds; null without syncs.'),
    inFlightRecords: measure,
    inFlightBytes: measure,
    openFiles: measure,
    streams: z.array(liveStream).describe('What each stream stores in this process.'),
    recordLatency: measure
      .nullable()
      .describe(
        'Seconds from the last byte of a batch to its commit: the mean over the records of the last ten seconds; null without records.',
      ),
    kinds: z.array(liveKind),
    inputs: z.array(liveInput),
    dropped: measure.describe('Frames that inputs dropped since the start.'),
    queue: queue.nullable().describe('Null in version 1.'),
  }) satisfies z.ZodType<Mutable<LiveStats>>,
);

const liveHistory = component(
  'LiveHistory',
  z
    .object({
      stepSeconds: measure,
      time: z.array(z.number()).describe('Unix time in seconds, of the end of each step.'),
      accepted: z.array(measure),
      refused: z.array(measure),
      batches: z.array(measure),
      bytes: z.array(measure),
      p50: z.array(measure.nullable()),
      p99: z.array(measure.nullable()),
    })
    .describe(
      'The history, oldest first, in columns of equal length. Null where nothing was measured.',
    ) satisfies z.ZodType<Mutable<LiveHistory>>,
);

export const refusal = component(
  'Refusal',
  z
    .object({
      time: z.number().describe('Unix time in milliseconds.'),
      status: z.int().describe('Status of the answer; 202 when only some records of the batch were refused.'),
      reason: z.string().meta({ examples: ['record 3 missing path'] }),
      field: z.string().optional().describe('The invalid field of the first refused record.'),
      records: count.optional().describe('Refused records, when records were the reason.'),
      requestId: z.string(),
    })
    .describe(
      'A refused batch, or refused records of a batch, with the reason that the client got. It never shows what the client sent.',
    ),
);

export const overview = component(
  'Overview',
  z.object({
    version,
    settings: z.record(z.string(), z.unknown()).describe('The effective configuration, secrets masked.'),
    latestHour: hourText.nullable().describe('The latest hour of the stream that has a summary.'),
    stats: liveStats,
    history: z.array(liveHistory).describe('The last minutes by the second, and the last hour in coarser steps.'),
    refusals: z.array(refusal).describe('The last 100, newest first.'),
    samples: kindSamples,
  }),
);

const range = { from: hourText, to: hourText };

export const hourTotals = component(
  'HourTotals',
  z.object({
    ...range,
    totals: z
      .array(count.nullable())
      .describe('Records of each hour of the range; null for an hour without a summary.'),
    by: z
      .object({
        dimension: z.string(),
        values: z.array(z.string()).describe('The largest of the range, largest first.'),
        records: z.array(z.array(count)).describe('For each of the values its records in each hour.'),
        other: z.array(count).describe('In each hour the records of other values.'),
      })
      .optional()
      .describe('With the parameter by.'),
  }),
);

export const breakdown = component(
  'Breakdown',
  z.object({
    ...range,
    hours: count.describe('Hours of the range that have a summary.'),
    total: count.describe('Records of the whole range, independent of the search.'),
    skippedLines: count.describe('Corrupt lines that were left out.'),
    dimensions: z.array(
      z.object({
        name: z.string().describe('Of a field of countBy.'),
        largest: z.array(z.tuple([z.string(), count])).describe('The largest values, with their number of records.'),
        distinct: count.describe('How many values were found, including those not listed.'),
      }),
    ),
    audience: z
      .object({ people: count, bots: count, unknown: count, botUserAgents: z.array(z.string()) })
      .optional()
      .describe(
        'Of the stream access: records by kind of user agent, unknown are those without one; and which of the listed user agents are bots.',
      ),
  }),
);

const formBytes = {
  plain: count.describe('Bytes of plain hours, `HH.log.json`.'),
  zstd: count.describe('Bytes of compressed hours, `HH.log.json.zst`.'),
};

export const diskUse = component(
  'DiskUse',
  z.object({
    walkedAt: z.string().nullable().describe('When the last whole walk ended; null before the end of the first.'),
    stream: z.string().describe('The stream whose days are listed.'),
    streams: z.array(z.object({ name: z.string(), ...formBytes, days: count.describe('Days that have an hour.') })),
    days: z
      .array(z.object({ day: z.string().meta({ examples: ['2015-05-17'] }), ...formBytes }))
      .describe('The newest 400 days that have an hour, newest first.'),
    other: z
      .object({
        summaries: count,
        journal: count,
        keys: count.describe('Idempotency keys.'),
        dead_letters: count,
        removed_streams: count.describe('Hours of streams that are not configured any more.'),
      })
      .describe('Bytes of other files.'),
  }),
);

/** Zod infers mutable lists; the type of the live figures has read-only ones. */
type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

const MAX_TEXT = 256;
const text = z.string().max(MAX_TEXT, `is longer than ${MAX_TEXT} characters`);

export const oneStreamParameters = z.object({ stream: streamParameter });

export const rangeParameters = z.object({
  stream: streamParameter,
  from: hourParameter.describe('The first UTC hour of the range.'),
  to: hourParameter.describe('The UTC hour after the last hour of the range, at most 31 days after from.'),
});

export const hoursParameters = rangeParameters.extend({
  by: text.optional().describe('A field of countBy: the records of each hour by its largest values too.'),
});

export const breakdownParameters = rangeParameters.extend({
  search: text.optional().describe('Only values that contain it, in upper or lower case.'),
});

/** An empty text filters nothing. */
export const tailParameters = z.object({
  path: text.optional().describe('Only records whose path contains it.'),
  userAgent: text.optional().describe('Only records whose user agent contains it.'),
  stream: z.string().optional().describe('Only records of this stream.'),
  q: text
    .optional()
    .describe('field=value: only records whose field has this value; without =: whose line contains it.'),
});
