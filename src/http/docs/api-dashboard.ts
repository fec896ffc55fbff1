import { z } from 'zod';
import { type AnswerDoc, json, type OperationDoc, problem } from './api-operation.ts';
import { count, storedLine } from './api-schemas.ts';
import * as schemas from './dashboard-schemas.ts';
import { kindSamples } from './stats-schemas.ts';

const noStream = problem('There is no such stream.');

function stream(events: AnswerDoc['events'] & {}): AnswerDoc {
  return {
    description: 'A stream that lasts until client or service ends it.',
    content: { 'text/event-stream': z.string() },
    events,
  };
}

/** The dashboard, and the routes that it reads. */
export const dashboardOperations: readonly OperationDoc[] = [
  {
    path: '/',
    method: 'get',
    id: 'getDashboard',
    summary: 'The dashboard',
    description: 'The page needs no key. It asks for one when its figures need one. Its files are under /assets.',
    answers: {
      200: { description: 'A page.', content: { 'text/html': z.string() } },
      304: { description: 'The page has not changed since the version in If-None-Match.', content: {} },
    },
  },
  {
    path: '/events',
    method: 'get',
    id: 'getEvents',
    summary: 'Rates, refused batches and samples, each second',
    description:
      'Server-sent events: a `stats` at once and then each second, a `refusal` for each refused batch, ' +
      'oldest first, at most 20 a second, and `samples` when there is a new one. A client that reads too slowly misses events. A client that stops reading is disconnected.',
    answers: {
      200: stream({ stats: schemas.liveStats, refusal: schemas.refusal, samples: kindSamples }),
      503: problem('Too many streams are open, or the service is shutting down.', ['Retry-After']),
    },
  },
  {
    path: '/events/tail',
    method: 'get',
    id: 'getTail',
    summary: 'Accepted records, as they arrive',
    description:
      'Server-sent events: `records`, whose data are stored lines, and `left-out`, the number of records that were not sent ' +
      'because more arrived than the limit of a tail allows or the client reads.',
    parameters: schemas.tailParameters,
    answers: {
      200: stream({ records: storedLine, 'left-out': count }),
      400: problem('A parameter is too long, or given twice.'),
      404: problem('There is no such stream.'),
      503: problem('Too many tails are open, or the service is shutting down.', ['Retry-After']),
    },
  },
  {
    path: '/api/overview',
    method: 'get',
    id: 'getOverview',
    summary: 'The start data of the dashboard',
    description: 'Version, effective configuration, present and recent figures, and recent refusals.',
    parameters: schemas.oneStreamParameters,
    answers: {
      200: json('The present state.', schemas.overview),
      400: problem('A parameter is given twice.'),
      404: noStream,
      503: problem('The state cannot be read now.', ['Retry-After']),
    },
  },
  {
    path: '/api/hours',
    method: 'get',
    id: 'getHourTotals',
    summary: 'Records of each hour of a range',
    description: 'With by: also the records of each hour by the twelve largest values of a field.',
    parameters: schemas.hoursParameters,
    answers: {
      200: json('The total of each hour.', schemas.hourTotals),
      400: problem('A parameter is missing or invalid, or the stream is not counted by the field.'),
      404: noStream,
      503: problem('The summaries cannot be read now.', ['Retry-After']),
    },
  },
  {
    path: '/api/breakdown',
    method: 'get',
    id: 'getBreakdown',
    summary: 'The largest values of each dimension of a range',
    description:
      'For each field of countBy the hundred largest values and the number of all; of the stream access also bots and people by user agent.',
    parameters: schemas.breakdownParameters,
    answers: {
      200: json('The largest as lists, which keep their order.', schemas.breakdown),
      400: problem('A parameter is missing or invalid.'),
      404: noStream,
      503: problem('The summaries cannot be read now.', ['Retry-After']),
    },
  },
  {
    path: '/api/disk',
    method: 'get',
    id: 'getDiskUse',
    summary: 'Bytes on disk by stream, form and day',
    description:
      'Lengths of the files of the service, as a walk over its folders found them. The walk begins again all the time; the more ' +
      'days there are, the longer it takes.',
    parameters: schemas.oneStreamParameters,
    answers: {
      200: json('The figures that are known now.', schemas.diskUse),
      400: problem('A parameter is given twice.'),
      404: noStream,
      503: problem('The figures cannot be read now.', ['Retry-After']),
    },
  },
];
