import { z } from 'zod';
import { MAX_LISTED_REJECTIONS } from '../../decode/decode.ts';
import { parseHour } from '../../model/hour.ts';
import { LEVELS } from '../../model/level.ts';
import { SCHEMA_TYPES } from '../../model/schema.ts';
import { PROBLEM_TYPES } from '../problem.ts';

/**
 * The schemas of requests and answers. They check the parameters of requests, GET /openapi.json shows them, and the contract
 * test holds every answer to them. `components` names the schemas that the document refers to. The schemas of the dashboard
 * are in dashboard-schemas.ts.
 */
export const components = z.registry<{ id: string }>();

export const MAX_RANGE_HOURS = 31 * 24;
export const MAX_TOP = 10_000;

export const count = z.int().min(0);
export const hourText = z.string().meta({ examples: ['2015-05-17T10:00:00Z'] });

export function component<S extends z.ZodType>(id: string, schema: S): S {
  components.add(schema, { id });
  return schema;
}

export const record = component(
  'Record',
  z
    .looseObject({
      timestamp: z.string().meta({
        format: 'date-time',
        description: 'RFC 3339, years 0001–9999. Stored in UTC, the fraction kept to nanoseconds.',
        examples: ['2025-11-22T15:23:00Z'],
      }),
      path: z
        .string()
        .regex(/\S/)
        .meta({ description: 'Not blank; stored trimmed.', examples: ['/home'] }),
      userAgent: z
        .string()
        .regex(/\S/)
        .meta({ description: 'Not blank; stored trimmed.', examples: ['Mozilla/5.0'] }),
    })
    .describe('One record. Further fields are allowed and stored unchanged.'),
);

export const event = component(
  'Event',
  z
    .looseObject({
      timestamp: z.string().meta({ format: 'date-time', examples: ['2025-11-22T15:23:00Z'] }),
      level: z.enum(LEVELS).describe('Synonyms such as warning and 0 to 7 are sent, and stored as one of these.'),
      message: z.string().regex(/\S/),
      service: z
        .string()
        .regex(/\S/)
        .meta({ examples: ['auth'] }),
    })
    .describe('One record of the stream events. Further fields are allowed and stored unchanged.'),
);

export const storedLine = component(
  'StoredLine',
  z
    .looseObject({ timestamp: z.string() })
    .describe(
      'A record of any stream as it is stored: Record, Event, or with the fields of a stream of the configuration.',
    ),
);

export const batch = component('Batch', z.array(record).min(1).describe('The records of one request.'));

export const recordError = component(
  'RecordError',
  z.object({
    index: count.describe('Place in the batch: from 0, or for CSV the row from 1, the header counted.'),
    field: z.string().describe('The invalid field; empty when the record as a whole is invalid.'),
    reason: z.string().meta({ examples: ['record 3 missing path'] }),
  }),
);

export const accepted = component(
  'Accepted',
  z.object({
    accepted: count.describe('Records stored.'),
    rejected: count.optional().describe('Invalid records, with invalid=skip.'),
    errors: z.array(recordError).max(MAX_LISTED_REJECTIONS).optional(),
  }),
);

const check = component('Check', z.object({ ok: z.boolean(), detail: z.string() }));

export const problem = component(
  'Problem',
  z
    .object({
      type: z.enum(PROBLEM_TYPES).describe('The kind of the problem, for programs.'),
      title: z.string().describe('The kind of the problem in words.'),
      status: z.int().min(400).max(599),
      detail: z.string().describe('What went wrong with this request.'),
      errors: z.array(recordError).max(MAX_LISTED_REJECTIONS).optional().describe('The first invalid records.'),
      errorCount: count.optional().describe('All invalid records, including those not listed.'),
      checks: z.record(z.string(), check).optional().describe('The failing checks of GET /ready.'),
    })
    .describe('RFC 9457 problem details.'),
);

export const ready = component('Ready', z.object({ status: z.literal('ready'), checks: z.record(z.string(), check) }));

export const version = component(
  'Version',
  z.object({
    version: z.string(),
    commit: z.string(),
    buildDate: z.string(),
    pipeline: z.union([z.literal(1), z.literal(2)]).describe('1: directly to the files. 2: through the queue.'),
    node: z.string(),
  }),
);

const source = z
  .object({ bytes: count, records: count, skippedLines: count })
  .describe('Bytes and records of the hour files that were counted, and corrupt lines that were left out.');

const counts = z.record(z.string(), count);

const sums = {
  totalRequests: count,
  requestsPerPath: counts,
  requestsPerUserAgent: counts,
  other: z
    .object({ requestsPerPath: count, requestsPerUserAgent: count })
    .optional()
    .describe(
      'Requests whose path or user agent the maps do not name: those that top leaves out, and those beyond aggregation.maxKeys.',
    ),
  source,
};

/** Of any stream but access. */
const streamSums = {
  totalRecords: count,
  counts: z
    .record(z.string(), counts)
    .describe('For each field of countBy the records by its values; `-`: records without the field.')
    .meta({ examples: [{ level: { INFO: 3 }, service: { auth: 2, '-': 1 } }] }),
  other: counts
    .optional()
    .describe(
      'For each field the records whose value the maps do not name: those that top leaves out, those beyond aggregation.maxKeys, and in a range those of hours that were not counted by it.',
    ),
  source,
};

const rangeOfHours = {
  from: hourText,
  to: hourText,
  hours: count.describe('Hours of the range that have a summary.'),
};

export const hourSummary = component('HourSummary', z.object({ hour: hourText, ...sums }));
export const rangeSummary = component('RangeSummary', z.object({ ...rangeOfHours, ...sums }));
export const streamHourSummary = component('StreamHourSummary', z.object({ hour: hourText, ...streamSums }));
export const streamRangeSummary = component('StreamRangeSummary', z.object({ ...rangeOfHours, ...streamSums }));

export const aggregationRun = component(
  'AggregationRun',
  z.object({
    written: count.describe('Hours whose summary was written.'),
    unchanged: count.describe('Hours without new records.'),
    missing: count.describe('Hours whose file does not exist.'),
    failed: count.describe('Hours that could not be summarised; the log says why.'),
    bytes: count.describe('Bytes newly counted.'),
    records: count.describe('Records newly counted.'),
    skippedLines: count.describe('Corrupt lines among them.'),
    seconds: z.number().min(0),
  }),
);

const streamInfo = component(
  'Stream',
  z.object({
    name: z.string().meta({ examples: ['events'] }),
    fields: z.array(z.string()).describe('Names of the text fields that every record has, in stored order.'),
    levelField: z.string().nullable().describe('The field whose text is a level; null where there is none.'),
    countBy: z.array(z.string()).describe('Fields by whose values the summaries count.'),
    schemas: z
      .array(
        z.object({
          subject: z.string().meta({ examples: ['events-protobuf'] }),
          type: z.enum(SCHEMA_TYPES),
          version: z.int().min(1),
          id: z.int().min(1),
        }),
      )
      .describe('The newest version of each subject that there is of the stream.'),
    records: z
      .object({ stored: count, rejected: count, deadLettered: count, duplicate: count })
      .describe(
        'Since the start of the process, by their outcome. In version 2 a record is stored where it is consumed.',
      ),
    bytes: count.describe('Of lines stored since the start of the process.'),
  }),
);

export const streamList = component('Streams', z.object({ streams: z.array(streamInfo) }));

const HOUR_RULE = 'must be an hour such as 2015-05-17T10';

export const hourParameter = z
  .string(`${HOUR_RULE}, and is not given`)
  .refine((text) => parseHour(text) !== undefined, {
    error: ({ input }) => `${HOUR_RULE}, is ${JSON.stringify(input)}`,
  })
  .meta({ examples: ['2015-05-17T10'] });

const topRule = `must be a whole number from 1 to ${MAX_TOP}`;

export const streamParameter = z
  .string()
  .optional()
  .describe('Name of the stream. Default: access.')
  .meta({ examples: ['events'] });

export const analyticsParameters = z.object({
  stream: streamParameter,
  hour: hourParameter.optional().describe('One UTC hour. Not with from and to.'),
  from: hourParameter.optional().describe('The first UTC hour of a range.'),
  to: hourParameter.optional().describe('The UTC hour after the last hour of the range, at most 31 days after from.'),
  top: z
    .string()
    .regex(/^\d{1,5}$/, topRule)
    .transform(Number)
    .pipe(z.int().min(1, topRule).max(MAX_TOP, topRule))
    .optional()
    .describe('Keeps this many of the largest counts of each map, and adds up the others.'),
});

export const logsParameters = z.object({
  invalid: z
    .enum(['reject', 'skip'])
    .optional()
    .describe(
      'What happens with invalid records: reject refuses the batch, skip stores the valid records. Default: ingestion.invalidRecords.',
    ),
  map: z
    .string()
    .optional()
    .describe(
      'Name of one of mappings in the configuration: where the fields stand in the objects of the body. JSON and NDJSON only.',
    ),
});
