import { isbot } from 'isbot';
import type { Audience } from './analytics.ts';

export type AudienceKind = keyof Audience;

/** Verdicts that are remembered: to test a user agent takes microseconds, and most come again. */
const MAX_VERDICTS = 50_000;
/** A bot names itself early in its user agent; to test the rest would only cost time. */
const TESTED_CHARS = 1_024;

/** Sorts user agents into bots and people by the patterns of isbot (npm package), which has crawlers, libraries and monitors. */
export function createAudience({ maxVerdicts = MAX_VERDICTS } = {}) {
  const verdicts = new Map<string, boolean>();

  function judge(userAgent: string): boolean {
    const tested = userAgent.slice(0, TESTED_CHARS);
    const known = verdicts.get(tested);
    if (known !== undefined) return known;
    if (verdicts.size >= maxVerdicts) verdicts.clear();
    const verdict = isbot(tested);
    verdicts.set(tested, verdict);
    return verdict;
  }

  function kindOf(userAgent: string): AudienceKind {
    if (userAgent === '' || userAgent === '-') return 'unknown';
    return judge(userAgent) ? 'bots' : 'people';
  }

  return {
    kindOf,
    split(requestsPerUserAgent: ReadonlyMap<string, number>): Audience {
      const requests = { people: 0, bots: 0, unknown: 0 };
      for (const [userAgent, count] of requestsPerUserAgent) requests[kindOf(userAgent)] += count;
      return requests;
    },
  };
}
