import type { AnalyticsQuestion, RangeSum } from '../../analytics/analytics.ts';
import { hourToIso } from '../../model/hour.ts';
import { hasUnnamed, summaryJson } from '../../model/summary-json.ts';
import { summaryCsv } from './summary-csv.ts';

/**
 * The text of a sum, in slices. As JSON, a sum over a range begins with `from`, `to` and `hours` (how many had a summary) instead of
 * `hour`. As CSV: the maps only. Made in the thread that adds up.
 */
export function summaryText(
  { kind, stream, from, to, top, format }: AnalyticsQuestion,
  sum: RangeSum,
): Iterable<string> {
  const hasOther = top !== undefined || hasUnnamed(sum.dimensions);
  if (format === 'csv') return summaryCsv({ stream, hasOther }, sum.dimensions);
  const head =
    kind === 'hour' ? { hour: hourToIso(from) } : { from: hourToIso(from), to: hourToIso(to), hours: sum.hours };
  return summaryJson({ stream, head, hasOther }, sum);
}
