import { z } from 'zod';
import { type AnswerDoc, json, type OperationDoc, problem } from './api-operation.ts';
import { count, record } from './api-schemas.ts';
import * as schemas from './dashboard-schemas.ts';

const unauthorized = problem('No API key, or one that is not known.', ['WWW-Authenticate']);

function stream(events: AnswerDoc['events'] & {}): AnswerDoc {
  return {
    description: 'A stream, until one of the two ends it.',
    content: { 'text/event-stream': z.string() },
    events,
  };
}

/** The dashboard, and where its figures come from. */
export const dashboardOperations: readonly OperationDoc[] = [
  {
    path: '/',
    method: 'get',
    id: 'getDashboard',
    summary: 'The dashboard',
    description: 'Needs no key itself; it asks for one where its figures need one. Its files are under /assets.',
    answers: {
      200: { description: 'A page.', content: { 'text/html': z.string() } },
      304: { description: 'It is as If-None-Match has it.', content: {} },
    },
  },
  {
    path: '/events',
    method: 'get',
    id: 'getEvents',
    summary: 'How the service does, each second',
    description:
      'Server-sent events: at once and then each second a `stats`, and a `refusal` for each batch that was not taken in, ' +
      'oldest first, at most 20 a second. A client that is behind with reading misses events; one that has stopped is cut.',
    secured: true,
    answers: {
      200: stream({ stats: schemas.liveStats, refusal: schemas.refusal }),
      401: unauthorized,
      503: problem('Too many streams are open, or the service is shutting down.', ['Retry-After']),
    },
  },
  {
    path: '/events/tail',
    method: 'get',
    id: 'getTail',
    summary: 'Accepted records, as they come',
    description:
      'Server-sent events: `records`, each line of their data a stored line, and `left-out`, how many records were not ' +
      'shown, because more came than a tail may cost or than the client reads.',
    secured: true,
    parameters: schemas.tailParameters,
    answers: {
      200: stream({ records: record, 'left-out': count }),
      400: problem('A parameter is too long, or given twice.'),
      401: unauthorized,
      503: problem('Too many tails are open, or the service is shutting down.', ['Retry-After']),
    },
  },
  {
    path: '/api/overview',
    method: 'get',
    id: 'getOverview',
    summary: 'What the dashboard begins with',
    description: 'What is running and how it is configured, how it does now and did lately, and what it refused.',
    secured: true,
    answers: {
      200: json('The present state.', schemas.overview),
      401: unauthorized,
      503: problem('It cannot be told now.', ['Retry-After']),
    },
  },
  {
    path: '/api/hours',
    method: 'get',
    id: 'getHourTotals',
    summary: 'Records of each hour of a range',
    secured: true,
    parameters: schemas.rangeParameters,
    answers: {
      200: json('The total of each hour.', schemas.hourTotals),
      400: problem('A parameter is missing or not as it must be.'),
      401: unauthorized,
      503: problem('The summaries cannot be read now.', ['Retry-After']),
    },
  },
  {
    path: '/api/breakdown',
    method: 'get',
    id: 'getBreakdown',
    summary: 'The largest paths and user agents of a range',
    description: 'The hundred largest of each, however many there are; and bots and people told apart by user agent.',
    secured: true,
    parameters: schemas.breakdownParameters,
    answers: {
      200: json('The largest, as lists, so that their order stays.', schemas.breakdown),
      400: problem('A parameter is missing or not as it must be.'),
      401: unauthorized,
      503: problem('The summaries cannot be read now.', ['Retry-After']),
    },
  },
];
