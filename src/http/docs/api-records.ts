import { z } from 'zod';
import { type OperationDoc, problem } from './api-operation.ts';
import { streamParameter } from './api-schemas.ts';

const text = z.string().optional();

/** The parameters of GET /records. query/query.ts says what is valid. */
export const recordsParameters = z.object({
  stream: streamParameter,
  from: text.describe('Only records of this time or later: 2015-05-17T10:05:03Z, 2015-05-17T10 or 2015-05-17.'),
  to: text.describe('Only records before this time.'),
  where: z
    .array(z.string())
    .optional()
    .describe(
      'A condition, which may be given several times; all must hold: field=value, field!=value, !field (absent), ' +
        'or field>=value, >, <=, < with a level, by severity, or a number. a.b is the field a.b, or else b in the object a.',
    )
    .meta({ examples: [['level>=WARN', 'service=auth']] }),
  contains: text.describe('Only records whose stored line contains this text.'),
  matches: text.describe('Only records whose stored line matches this regular expression, in the syntax of RE2.'),
  fields: text.describe('Only these fields, separated by commas, in this order.'),
  limit: text.describe('Records at most, or all. Default: 1000.'),
  order: text.describe('asc: oldest hour first, inside an hour as stored. desc: the same from the end. Default: asc.'),
  format: text.describe('ndjson or csv. Default: csv where Accept prefers text/csv, else ndjson.'),
});

export const getRecords: OperationDoc = {
  path: '/records',
  method: 'get',
  id: 'getRecords',
  summary: 'Stored records',
  description:
    'Reads the records of a stream, as they were stored or as a table. The answer is sent as it is found and as the client reads it. ' +
    'A client that takes less than 1 MiB in 30 s of waiting for it is disconnected; so is one whose query takes longer than query.timeout. ' +
    'Parts of hours that cannot be read are left out and named in the trailer X-Logforge-Damaged. ' +
    'A request with the header X-Logforge-Damaged: line gets them in a last line of NDJSON instead of a record, damaged or not.',
  parameters: recordsParameters,
  answers: {
    200: {
      description: 'The records, none where nothing was found.',
      content: {
        'application/x-ndjson': z.looseObject({ timestamp: z.string().optional() }),
        'text/csv': z.string(),
      },
    },
    400: problem('A parameter is invalid; `detail` names it and says what it must be.'),
    404: problem('There is no such stream.'),
    503: problem('Too many queries run, the query failed before its first record, or the service is shutting down.', [
      'Retry-After',
    ]),
  },
};
