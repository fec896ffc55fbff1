import { z } from 'zod';
import { dashboardOperations } from './api-dashboard.ts';
import { json, type OperationDoc, problem } from './api-operation.ts';
import * as schemas from './api-schemas.ts';

const text = z.string();

const postLogs: OperationDoc = {
  path: '/logs',
  method: 'post',
  id: 'postLogs',
  summary: 'Store a batch of records',
  description:
    'Answers 202 when every record of the batch is as safe as Logforge-Durability says; otherwise nothing of it counts as accepted. ' +
    'With an Idempotency-Key a batch can be sent again without being stored twice. Bodies may be packed (Content-Encoding: gzip, deflate, br or zstd).',
  secured: true,
  parameters: schemas.logsParameters,
  requestHeaders: {
    'Idempotency-Key':
      '1 to 255 visible ASCII characters. The same key with the same body stores nothing again and answers what the first answered, with Idempotency-Replayed: true; with another body it is refused with 422.',
    'X-Request-Id': 'A name for the request, 1 to 128 characters; traceparent is understood too.',
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
    'text/csv': {
      schema: text.describe('RFC 4180, columns by header; extra columns become extra fields.'),
      example: 'timestamp,path,userAgent\n2025-11-22T15:23:00Z,/home,Mozilla/5.0\n',
    },
  },
  answers: {
    202: json('Stored, or stored before under the same Idempotency-Key.', schemas.accepted, ['Logforge-Durability']),
    400: problem('The body, its records, a parameter or a header is not as it must be; nothing was stored.'),
    401: problem('No API key, or one that is not known.', ['WWW-Authenticate']),
    408: problem('The body did not arrive in time.'),
    413: problem('The body is too large, as sent or as unpacked.'),
    415: problem('Another Content-Type or Content-Encoding than those understood.'),
    417: problem('An Expect header other than 100-continue.'),
    422: problem('The Idempotency-Key belongs to another body, or the batch can never be stored.'),
    429: problem('Too many requests of this key or address.', ['Retry-After']),
    501: problem('A Transfer-Encoding other than chunked.'),
    503: problem('Cannot be stored now: too much in hand, disk full, draining, broker away.', ['Retry-After']),
  },
};

const reads: readonly OperationDoc[] = [
  {
    path: '/analytics',
    method: 'get',
    id: 'getAnalytics',
    summary: 'Counts of an hour, or of a range of hours',
    description:
      'Asked for an hour: its summary as stored. Asked for from and to: the sum over [from, to). ' +
      'With Accept: text/csv, a row for each path and user agent: dimension,value,requests.',
    parameters: schemas.analyticsParameters,
    answers: {
      200: {
        description: 'The summary.',
        content: { 'application/json': z.union([schemas.hourSummary, schemas.rangeSummary]), 'text/csv': text },
      },
      400: problem('A parameter is missing, too much, or not as it must be.'),
      404: problem('The hour has no summary.'),
      503: problem('The summaries cannot be read now.', ['Retry-After']),
    },
  },
  {
    path: '/health',
    method: 'get',
    id: 'getHealth',
    summary: 'Whether the process runs',
    answers: { 200: { description: 'It does.', content: { 'text/plain': z.literal('ok') } } },
  },
  {
    path: '/ready',
    method: 'get',
    id: 'getReady',
    summary: 'Whether it can take batches',
    answers: {
      200: json('It can.', schemas.ready),
      503: problem('It cannot; `checks` has what fails.'),
    },
  },
  {
    path: '/version',
    method: 'get',
    id: 'getVersion',
    summary: 'What is running',
    answers: { 200: json('Version, commit and runtime.', schemas.version) },
  },
  {
    path: '/metrics',
    method: 'get',
    id: 'getMetrics',
    summary: 'Metrics for Prometheus',
    answers: { 200: { description: 'In the Prometheus text format.', content: { 'text/plain': text } } },
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
    summary: 'This document, to read',
    answers: { 200: { description: 'A page.', content: { 'text/html': text } } },
  },
];

const postAggregate: OperationDoc = {
  path: '/admin/aggregate',
  method: 'post',
  id: 'postAggregate',
  summary: 'Bring the summaries up to date now',
  description:
    'Answers when everything that was stored before the request is in the summaries. One run at a time: a request that comes during one waits for the next. Only where API keys are in use.',
  secured: true,
  answers: {
    200: json('What the run did; it is done also where hours failed.', schemas.aggregationRun),
    401: problem('No API key, or one that is not known.', ['WWW-Authenticate']),
    403: problem('The service asks for no keys, so nobody may do this.'),
    503: problem('The run could not be made.', ['Retry-After']),
  },
};

/** Every operation that is documented. Methods not listed are answered 405 on these paths. */
export const OPERATIONS: readonly OperationDoc[] = [postLogs, ...reads, postAggregate, ...dashboardOperations];
