import { z } from 'zod';
import { dashboardOperations } from './api-dashboard.ts';
import { json, type OperationDoc, problem, withAccess } from './api-operation.ts';
import { getRecords } from './api-records.ts';
import { registryOperations } from './api-registry.ts';
import * as schemas from './api-schemas.ts';
import { storeOperations } from './api-store.ts';
import { serviceStats } from './stats-schemas.ts';

const text = z.string();

const postLogs: OperationDoc = {
  path: '/logs',
  method: 'post',
  id: 'postLogs',
  summary: 'Store a batch of records',
  description:
    'Answers 202 when the whole batch is stored as Logforge-Durability says. Any other answer means that no record of it counts as accepted. ' +
    'A batch with an Idempotency-Key can be sent again and is stored once. Bodies may be compressed (Content-Encoding: gzip, deflate, br or zstd).',
  parameters: schemas.logsParameters,
  requestHeaders: {
    'Idempotency-Key':
      '1 to 255 visible ASCII characters. The same key with the same body stores nothing again and gets the first answer again, with Idempotency-Replayed: true. With another body it is answered 422.',
    'X-Request-Id':
      'An id of the request, 1 to 128 characters. Without it the id is the trace of traceparent, or a new one.',
  },
  requestBody: {
    'application/json': {
      schema: schemas.batch,
      example: '[{"timestamp":"2025-11-22T15:23:00Z","path":"/home","userAgent":"Mozilla/5.0"}]',
    },
    'application/x-ndjson': {
      schema: text.describe('One record a line.'),
      example: '{"timestamp":"2025-11-22T15:23:00Z","path":"/home","userAgent":"Mozilla/5.0"}\n',
    },
    'application/x-protobuf': {
      schema: text.describe(
        'One message of Protocol Buffers; with "; delimited=true" messages one after the other, each after its length as a varint. ' +
          "The schema is the newest of <stream>-protobuf, or the one that Confluent's wire format names.",
      ),
      example: '\n\u00142025-07-02T17:00:01Z…',
    },
    'text/csv': {
      schema: text.describe('RFC 4180. A header line names the columns; further columns become further fields.'),
      example: 'timestamp,path,userAgent\n2025-11-22T15:23:00Z,/home,Mozilla/5.0\n',
    },
    'avro/binary': {
      schema: text.describe(
        'Bytes of Avro: one record by a registered schema, with or without the schema id before it, or an object container file.',
      ),
      example: 'Obj\u0001…',
    },
  },
  answers: {
    202: json('Stored now, or stored before with the same Idempotency-Key.', schemas.accepted, ['Logforge-Durability']),
    400: problem(
      'The body, a record, a parameter or a header is invalid, or the records belong to too many hours; nothing was stored.',
    ),
    408: problem('The body did not arrive in time.'),
    413: problem('The body is too large, as sent or as decoded, or the batch is as stored lines.'),
    415: problem('The Content-Type or Content-Encoding is not supported.'),
    417: problem('The Expect header is not 100-continue.'),
    422: problem('The Idempotency-Key belongs to another body, or the batch can never be stored.'),
    429: problem('Too many requests with this key, from this address, or with a wrong key.', ['Retry-After']),
    501: problem('The Transfer-Encoding is not chunked.'),
    503: problem(
      'The batch cannot be stored now: too many request bytes in flight, disk full, draining, or broker unavailable.',
      ['Retry-After'],
    ),
  },
};

const reads: readonly OperationDoc[] = [
  {
    path: '/analytics',
    method: 'get',
    id: 'getAnalytics',
    summary: 'The summary of an hour, or of a range of hours',
    description:
      'With hour: its stored summary. With from and to: the sum over [from, to). ' +
      'With Accept: text/csv: a row for each value of each dimension, with the columns dimension,value,requests (access) or dimension,value,records.',
    parameters: schemas.analyticsParameters,
    answers: {
      200: {
        description: 'The summary.',
        content: {
          'application/json': z.union([
            schemas.hourSummary,
            schemas.rangeSummary,
            schemas.streamHourSummary,
            schemas.streamRangeSummary,
          ]),
          'text/csv': text,
        },
      },
      400: problem('A parameter is missing, not allowed here, or invalid.'),
      404: problem('The hour has no summary, or there is no such stream.'),
      503: problem(
        'A summary is damaged and is counted again soon, too many ask at once, or summaries cannot be read now.',
        ['Retry-After'],
      ),
    },
  },
  {
    path: '/streams',
    method: 'get',
    id: 'getStreams',
    summary: 'The streams, their fields and schemas, and what was stored of each since the start',
    answers: {
      200: json('Every stream.', schemas.streamList),
      503: problem('The counts cannot be read now.', ['Retry-After']),
    },
  },
  {
    path: '/stats',
    method: 'get',
    id: 'getStats',
    summary: 'Rates of the last second, and counts and last lines by what records came as',
    answers: {
      200: json('The figures.', serviceStats),
      503: problem('The figures cannot be read now.', ['Retry-After']),
    },
  },
  {
    path: '/health',
    method: 'get',
    id: 'getHealth',
    summary: 'Whether the process runs',
    answers: { 200: { description: 'The process runs.', content: { 'text/plain': z.literal('ok') } } },
  },
  {
    path: '/ready',
    method: 'get',
    id: 'getReady',
    summary: 'Whether the service can store batches',
    answers: {
      200: json('The service is ready.', schemas.ready),
      503: problem('The service is not ready; `checks` names the failing checks.'),
    },
  },
  {
    path: '/version',
    method: 'get',
    id: 'getVersion',
    summary: 'Version of the running service',
    answers: { 200: json('Version, commit and runtime.', schemas.version) },
  },
  {
    path: '/metrics',
    method: 'get',
    id: 'getMetrics',
    summary: 'Metrics for Prometheus, or the figures of GET /stats',
    description:
      'With an Accept header that prefers application/json to text: the answer of GET /stats. Its samples are empty where the route needs no key although auth is on, and under a name that is not in server.hosts.',
    answers: {
      200: {
        description: 'The metrics in the Prometheus text format, or the figures of GET /stats.',
        content: { 'text/plain': text, 'application/json': serviceStats },
      },
      503: problem('The figures cannot be read now.', ['Retry-After']),
    },
  },
  {
    path: '/openapi.json',
    method: 'get',
    id: 'getOpenApi',
    summary: 'This document',
    answers: { 200: json('OpenAPI 3.1.', z.looseObject({ openapi: z.string() })) },
  },
  {
    path: '/docs',
    method: 'get',
    id: 'getDocs',
    summary: 'This document as a page',
    answers: { 200: { description: 'A page.', content: { 'text/html': text } } },
  },
];

const postAggregate: OperationDoc = {
  path: '/admin/aggregate',
  method: 'post',
  id: 'postAggregate',
  summary: 'Bring the summaries up to date now',
  description:
    'Answers when all records stored before the request are in the summaries. Runs do not overlap: a request during a run waits for the next run. Needs a service that requires API keys.',
  answers: {
    200: json('The result of the run. Some hours may have failed.', schemas.aggregationRun),
    403: problem('The API key has another class, or the service requires no API keys, so it allows this to nobody.'),
    503: problem('The run failed.', ['Retry-After']),
  },
};

/** Every operation that is documented. Methods not listed are answered 405 on these paths. */
export const OPERATIONS: readonly OperationDoc[] = [
  postLogs,
  ...reads,
  getRecords,
  postAggregate,
  ...dashboardOperations,
  ...storeOperations,
  ...registryOperations,
].map(withAccess);
