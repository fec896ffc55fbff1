import type { Context } from 'hono';
import type { Analytics } from '../../analytics/analytics.ts';
import { hourToIso, parseHour, type StreamRange } from '../../model/hour.ts';
import { ACCESS_STREAM, type StreamName } from '../../model/stream.ts';
import { BUSY, damaged } from '../api/analytics.ts';
import { rangeFault, readParameters } from '../api/parameters.ts';
import { type breakdownParameters, type hoursParameters, oneStreamParameters } from '../docs/dashboard-schemas.ts';
import { unknownStream } from '../logs/logs-request.ts';
import type { Problem } from '../problem.ts';
import type { DashboardData } from './dashboard.ts';

/** What the page shows of the summaries of a stream. */

interface Sources {
  readonly dashboard: Pick<DashboardData, 'hourTotals'>;
  readonly analytics: Analytics;
}

interface Range extends StreamRange {
  readonly search?: string | undefined;
  readonly by?: string | undefined;
}

/** Rows of each table of the page. */
const BREAKDOWN_ROWS = 100;
/** Values that have a colour of their own in the bars. There are nine levels. */
const SERIES_ROWS = 12;

/** The total of each hour; with `by`, the records of each hour by the values of a dimension. */
export async function answerHours({ by, ...range }: Range, { dashboard, analytics }: Sources) {
  const { from, to, stream } = range;
  const head = { from: hourToIso(from), to: hourToIso(to) };
  if (by === undefined) return { ...head, totals: await dashboard.hourTotals.totals({ stream, from, to }) };
  const answer = await analytics.series({ stream, from, to, dimension: by, rows: SERIES_ROWS });
  if (answer.kind === 'busy') return BUSY;
  if (answer.kind === 'no-dimension') {
    const counted = answer.dimensions.length === 0 ? 'nothing' : answer.dimensions.join(', ');
    const detail = `the parameter by is ${JSON.stringify(by)}; the stream ${stream} is counted by ${counted}`;
    return { kind: 'bad-request', detail } satisfies Problem;
  }
  const { values, records, other, totals } = answer;
  return { ...head, totals, by: { dimension: by, values, records, other } };
}

/** The largest values of each dimension. */
export async function answerBreakdown({ stream, from, to, search = '' }: Range, { analytics }: Sources) {
  const answer = await analytics.breakdown({ stream, from, to, rows: BREAKDOWN_ROWS, search });
  if (answer.kind === 'damaged') return damaged(answer);
  if (answer.kind === 'busy') return BUSY;
  const { kind: _, ...tables } = answer;
  return { from: hourToIso(from), to: hourToIso(to), ...tables };
}

/** The stream that is asked for, where that is the only parameter. */
export function readStream(
  { req }: Context,
  streams: readonly StreamName[],
): { readonly stream: StreamName } | Problem {
  const given = readParameters(oneStreamParameters, req.queries());
  if (typeof given === 'string') return { kind: 'bad-request', detail: given };
  const { stream = ACCESS_STREAM.name } = given;
  return streams.includes(stream) ? { stream } : unknownStream(stream, streams);
}

/** The hours that are asked for. */
export function readRange(
  { req }: Context,
  parameters: typeof hoursParameters | typeof breakdownParameters,
  streams: readonly StreamName[],
): Range | Problem {
  const wrong = (detail: string): Problem => ({ kind: 'bad-request', detail });
  const given = readParameters(parameters, req.queries());
  if (typeof given === 'string') return wrong(given);
  const { stream = ACCESS_STREAM.name } = given;
  if (!streams.includes(stream)) return unknownStream(stream, streams);
  const [from = Number.NaN, to = Number.NaN] = [parseHour(given.from), parseHour(given.to)];
  const fault = rangeFault(from, to);
  return fault === undefined ? { ...given, stream, from, to } : wrong(fault);
}
