import type { Analytics, RangeSum } from '../../analytics/analytics.ts';
import { hourToIso } from '../../model/hour.ts';
import type { Problem } from '../problem.ts';
import { type AnalyticsQuery, readAnalyticsQuery } from './analytics-query.ts';
import { summaryCsv } from './summary-csv.ts';
import { summaryJson } from './summary-json.ts';

/** The answer to GET /analytics: its media type, and its body, whole or in slices. */
export interface AnalyticsAnswer {
  readonly type: 'application/json' | 'text/csv; charset=utf-8; header=present';
  readonly body: Uint8Array | Iterable<string>;
}

/**
 * GET /analytics: the summary of an hour as stored, or the sum over a range. A sum begins with `from`, `to` and `hours` (how
 * many had a summary) instead of `hour`. With `top`, `other` adds up the entries that each map lost. As CSV: the maps only.
 */
export async function answerAnalytics(
  analytics: Analytics,
  parameters: Readonly<Record<string, readonly string[]>>,
  { csv = false }: { readonly csv?: boolean } = {},
): Promise<AnalyticsAnswer | Problem> {
  const query = readAnalyticsQuery(parameters);
  if (typeof query === 'string') return { kind: 'bad-request', detail: query };
  if (query.kind === 'range') {
    const sum = await analytics.range(query.from, query.to, { top: query.top });
    const head = { from: hourToIso(query.from), to: hourToIso(query.to), hours: sum.hours };
    return write(head, sum, csv);
  }
  return (await answerHour(analytics, query, csv)) ?? noSummary(query.hour);
}

async function answerHour(
  analytics: Analytics,
  { hour, top }: Extract<AnalyticsQuery, { kind: 'hour' }>,
  csv: boolean,
): Promise<AnalyticsAnswer | undefined> {
  if (top === undefined && !csv) {
    const body = await analytics.hour(hour);
    return body === undefined ? undefined : { type: 'application/json', body };
  }
  const sum = await analytics.range(hour, hour + 1, { top });
  return sum.hours === 0 ? undefined : write({ hour: hourToIso(hour) }, sum, csv);
}

function noSummary(hour: number): Problem {
  return { kind: 'not-found', detail: `no summary for hour ${hourToIso(hour)}` };
}

function write(head: Readonly<Record<string, unknown>>, { summary, other }: RangeSum, csv: boolean): AnalyticsAnswer {
  return csv
    ? { type: 'text/csv; charset=utf-8; header=present', body: summaryCsv(summary, other) }
    : { type: 'application/json', body: summaryJson(head, summary, other) };
}
