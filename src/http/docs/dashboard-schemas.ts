import { z } from 'zod';
import type { LiveHistory, LiveStats } from '../../live/live.ts';
import { component, count, hourParameter, hourText, version } from './api-schemas.ts';

/** What the dashboard and the event streams are asked for and answer; see api-schemas.ts. */

const measure = z.number().min(0);

const rates = component(
  'LiveRates',
  z.object({
    batches: measure.describe('Requests to POST /logs.'),
    refusedBatches: measure.describe('Requests answered 4xx.'),
    failedBatches: measure.describe('Requests answered 5xx.'),
    bytes: measure.describe('Bytes of bodies, unpacked.'),
    accepted: measure.describe('Records answered 202.'),
    stored: measure.describe('Records stored.'),
    rejected: measure.describe('Invalid records.'),
    deadLettered: measure.describe('Records set aside with their reasons.'),
    duplicate: measure.describe('Records stored before.'),
  }),
);

const quantiles = component('Quantiles', z.object({ p50: measure, p99: measure }).describe('In seconds.'));

const queue = component(
  'LiveQueue',
  z.object({
    up: z.boolean().describe('Whether the broker answers.'),
    lagMessages: measure.describe('Messages that are not stored yet.'),
    lagSeconds: measure.describe('How old the oldest of them is.'),
    breaker: z.string().meta({ examples: ['closed'] }),
    spoolBytes: measure,
    spoolBatches: measure,
    spoolAgeSeconds: measure.describe('How old the oldest batch of the spool is.'),
  }),
);

export const liveStats = component(
  'LiveStats',
  z.object({
    time: z.number().describe('Unix time in milliseconds.'),
    uptimeSeconds: measure,
    rates: rates.describe('A second, over the last second.'),
    totals: rates.describe('Since the start.'),
    latency: quantiles.nullable().describe('Of POST /logs, over the last ten seconds; null while there was none.'),
    sync: quantiles.nullable().describe('Of the syncs in a commit, likewise.'),
    inFlightRecords: measure,
    inFlightBytes: measure,
    openFiles: measure,
    queue: queue.nullable().describe('Null in version 1.'),
  }) satisfies z.ZodType<LiveStats>,
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
    .describe('The past, oldest first: columns of one length. Null where nothing was measured.') satisfies z.ZodType<
    Mutable<LiveHistory>
  >,
);

export const refusal = component(
  'Refusal',
  z
    .object({
      time: z.number().describe('Unix time in milliseconds.'),
      status: z.int().describe('Of the answer; 202 where only some records of the batch were refused.'),
      reason: z.string().meta({ examples: ['record 3 missing path'] }),
      field: z.string().optional().describe('Of the first record refused.'),
      records: count.optional().describe('Records refused, where it was for the sake of records.'),
      requestId: z.string(),
    })
    .describe('A batch, or records of one, that was not taken in: what the client was told, never what it sent.'),
);

export const overview = component(
  'Overview',
  z.object({
    version,
    settings: z.record(z.string(), z.unknown()).describe('The configuration in force, its secrets masked.'),
    latestHour: hourText.nullable().describe('The latest hour that has a summary.'),
    stats: liveStats,
    history: z.array(liveHistory).describe('The last minutes by the second, and the last hour in coarser steps.'),
    refusals: z.array(refusal).describe('The last ones, newest first.'),
  }),
);

const range = { from: hourText, to: hourText };

export const hourTotals = component(
  'HourTotals',
  z.object({
    ...range,
    totals: z.array(count.nullable()).describe('Records of each hour of the range; null where there is no summary.'),
  }),
);

export const breakdown = component(
  'Breakdown',
  z.object({
    ...range,
    hours: count.describe('Hours of the range that have a summary.'),
    totalRequests: count.describe('Of the whole range, whatever the search.'),
    skippedLines: count.describe('Corrupt lines left out.'),
    paths: z.array(z.tuple([z.string(), count])).describe('The largest, with their requests.'),
    userAgents: z
      .array(z.tuple([z.string(), count, z.boolean()]))
      .describe('The largest, with their requests, and whether it is a bot.'),
    distinct: z.object({ paths: count, userAgents: count }).describe('How many were found, those not listed too.'),
    audience: z
      .object({ people: count, bots: count, unknown: count })
      .describe('Requests of all user agents; unknown are those that name none.'),
  }),
);

/** A list as it is made here may be changed; one that is only read may not. */
type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

const MAX_TEXT = 256;
const text = z.string().max(MAX_TEXT, `is longer than ${MAX_TEXT} characters`);

export const rangeParameters = z.object({
  from: hourParameter.describe('The first UTC hour of the range.'),
  to: hourParameter.describe('The UTC hour behind the last of the range, at most 31 days after from.'),
});

export const breakdownParameters = rangeParameters.extend({
  search: text.optional().describe('Only paths and user agents that contain it, in upper or lower case.'),
});

/** An empty text is no test. */
export const tailParameters = z.object({
  path: text.optional().describe('Only records whose path contains it.'),
  userAgent: text.optional().describe('Only records whose user agent contains it.'),
  q: text
    .optional()
    .describe('field=value: only records whose field has this value; without =: whose line contains it.'),
});
