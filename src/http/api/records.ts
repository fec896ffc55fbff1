import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context, Hono } from 'hono';
import type { StreamName } from '../../model/stream.ts';
import {
  type FailedQuery,
  QueryTextError,
  type QueryTexts,
  type RecordQuery,
  type Records,
  readRecordQuery,
} from '../../query/query.ts';
import { recordsParameters } from '../docs/api-records.ts';
import { unknownStream } from '../logs/logs-request.ts';
import { type Problem, retryAfter } from '../problem.ts';
import type { Query } from './parameters.ts';
import { DAMAGED_TRAILER, sendRecords } from './send-records.ts';
import { prefersCsv } from './summary-csv.ts';
import { READING_LIMITS } from './watch-client.ts';

interface RecordsRouteOptions {
  readonly records: Records;
  /** The streams that there are. */
  readonly streams: readonly StreamName[];
  readonly isDraining: () => boolean;
  readonly answerProblem: (problem: Problem) => Response;
}

const BUSY_SECONDS = 5;
const DRAINING: Problem = { kind: 'draining', detail: 'the service is shutting down', headers: retryAfter(5) };

/** GET /records: a query over stored records. */
export function addRecordsRoute(app: Hono, options: RecordsRouteOptions): void {
  const { records, streams, isDraining, answerProblem } = options;
  app.get('/records', async (context) => {
    if (isDraining()) return answerProblem(DRAINING);
    const query = readQuery(context, streams);
    if ('kind' in query) return answerProblem(query);
    const { incoming, outgoing } = context.env as HttpBindings;
    const headers = headersOf(query);
    // HEAD comes here too. Nobody would read the records.
    if (incoming.method === 'HEAD') return context.body(null, 200, headers);
    const opened = await records.open(query);
    if (opened.kind === 'busy') return answerProblem(overloaded(opened.detail));
    if (opened.kind === 'refused') return answerProblem(badParameter(opened.parameter, opened.rule));
    const endsWithDamage = query.format === 'ndjson' && context.req.header(DAMAGED_TRAILER) === 'line';
    const failed = await sendRecords(records, opened.id, outgoing, {
      ...{ headers, limits: READING_LIMITS, endsWithDamage },
    });
    return failed === undefined ? RESPONSE_ALREADY_SENT : answerProblem(toProblem(failed));
  });
}

function headersOf({ format }: RecordQuery): Record<string, string> {
  return {
    'Content-Type': format === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/x-ndjson',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Vary: 'Accept',
  };
}

function readQuery(context: Context, streams: readonly StreamName[]): RecordQuery | Problem {
  const parameters: Query = context.req.queries();
  const texts = readTexts(parameters);
  if (typeof texts === 'string') return { kind: 'bad-request', detail: texts };
  const format = readFormat(parameters.format?.[0], context.req.header('accept'));
  if (format === undefined)
    return badParameter('format', `must be ndjson or csv, is ${JSON.stringify(parameters.format?.[0])}`);
  try {
    const query = readRecordQuery(texts, format);
    return streams.includes(query.stream) ? query : unknownStream(query.stream, streams);
  } catch (error) {
    if (error instanceof QueryTextError) return badParameter(error.parameter, error.message);
    throw error;
  }
}

/** The texts of the parameters, or what is wrong. */
function readTexts(parameters: Query): QueryTexts | string {
  const texts: Record<string, string | readonly string[]> = {};
  for (const name of Object.keys(recordsParameters.shape)) {
    const [first, ...others] = Object.hasOwn(parameters, name) ? (parameters[name] ?? []) : [];
    if (first === undefined) continue;
    if (name !== 'where' && others.length > 0) return `the parameter ${name} is given ${others.length + 1} times`;
    texts[name] = name === 'where' ? [first, ...others] : first;
  }
  return texts;
}

function readFormat(format: string | undefined, accept: string | undefined): RecordQuery['format'] | undefined {
  if (format === undefined || format === '') return prefersCsv(accept) ? 'csv' : 'ndjson';
  return format === 'csv' || format === 'ndjson' ? format : undefined;
}

function badParameter(parameter: string, rule: string): Problem {
  return { kind: 'bad-request', detail: `the parameter ${parameter} ${rule}` };
}

function overloaded(detail: string): Problem {
  return { kind: 'overloaded', detail, headers: retryAfter(BUSY_SECONDS) };
}

function toProblem({ why, detail }: FailedQuery): Problem {
  return why === 'busy' ? overloaded(detail) : { kind: 'unavailable', detail, headers: retryAfter(BUSY_SECONDS) };
}
