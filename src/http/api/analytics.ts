import type { Analytics, Damaged } from '../../analytics/analytics.ts';
import type { OpenFile } from '../../disk/open-file.ts';
import { hourToIso } from '../../model/hour.ts';
import { isDefaultStream, type StreamName } from '../../model/stream.ts';
import { unknownStream } from '../logs/logs-request.ts';
import { type Problem, retryAfter } from '../problem.ts';
import { readAnalyticsQuery } from './analytics-query.ts';

/** The answer to GET /analytics: its media type, and its text, which whoever gets it closes. */
export interface AnalyticsText {
  readonly type: 'application/json' | 'text/csv; charset=utf-8; header=present';
  readonly text: OpenFile;
}

/** GET /analytics: the summary of an hour as stored, or the sum over a range (summary-text.ts). */
export async function answerAnalytics(
  analytics: Analytics,
  parameters: Readonly<Record<string, readonly string[]>>,
  { streams, csv = false }: { readonly streams: readonly StreamName[]; readonly csv?: boolean },
): Promise<AnalyticsText | Problem> {
  const query = readAnalyticsQuery(parameters);
  if (typeof query === 'string') return { kind: 'bad-request', detail: query };
  const { kind, stream, top } = query;
  if (!streams.includes(stream)) return unknownStream(stream, streams);
  const { from, to } = kind === 'hour' ? { from: query.hour, to: query.hour + 1 } : query;
  const answer = await analytics.ask({ kind, stream, from, to, top, format: csv ? 'csv' : 'json' });
  if (answer.kind === 'none') {
    const ofStream = isDefaultStream(stream) ? '' : ` of the stream ${stream}`;
    return { kind: 'not-found', detail: `no summary for hour ${hourToIso(from)}${ofStream}` };
  }
  if (answer.kind === 'damaged') return damaged(answer);
  if (answer.kind === 'busy') return BUSY;
  return { type: csv ? 'text/csv; charset=utf-8; header=present' : 'application/json', text: answer.text };
}

/** Hours that a problem names. */
const NAMED_HOURS = 5;

/** The answer where summaries cannot be used: never their counts, which may be wrong. */
export function damaged({ stream, hours }: Pick<Damaged, 'stream' | 'hours'>): Problem {
  const ofStream = isDefaultStream(stream) ? '' : ` of the stream ${stream}`;
  const named = hours.slice(0, NAMED_HOURS).map(hourToIso).join(', ');
  const more = hours.length > NAMED_HOURS ? ` and ${hours.length - NAMED_HOURS} more` : '';
  const detail = `the summary of ${named}${more}${ofStream} is damaged; the next run of the aggregator counts the hour again from its records`;
  return { kind: 'unavailable', detail, headers: retryAfter(RECOUNT_SECONDS) };
}

/** The default of aggregation.interval. */
const RECOUNT_SECONDS = 30;

/** The answer where too many questions wait for summaries, or too many answers are being sent. */
export const BUSY: Problem = {
  kind: 'overloaded',
  detail: 'too many questions to summaries at once; ask again later',
  headers: retryAfter(5),
};
