import type { AnalyticsQuestion, RangeSum } from '../../analytics/analytics.ts';
import { hourToIso } from '../../model/hour.ts';
import { summaryCsv } from './summary-csv.ts';
import { summaryJson } from './summary-json.ts';

/**
 * The text of a sum, in slices. As JSON, a sum over a range begins with `from`, `to` and `hours` (how many had a summary) instead of
 * `hour`. As CSV: the maps only. Made in the thread that adds up.
 */
export function summaryText({ kind, from, to, format }: AnalyticsQuestion, sum: RangeSum): Iterable<string> {
  if (format === 'csv') return summaryCsv(sum, sum.other);
  const head =
    kind === 'hour' ? { hour: hourToIso(from) } : { from: hourToIso(from), to: hourToIso(to), hours: sum.hours };
  return summaryJson(head, sum, sum.other);
}
