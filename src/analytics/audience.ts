import { isbot } from 'isbot';
import type { Audience } from './analytics.ts';

export type AudienceKind = keyof Audience;

/** Verdicts kept: a user agent is seen again and again, and judging one takes microseconds. */
const MAX_VERDICTS = 50_000;
/** A bot names itself early; what is behind costs time only. */
const LOOKED_AT_CHARS = 1_024;

/** Tells bots and people apart by the patterns of isbot (npm package), which knows crawlers, libraries and monitors. */
export function createAudience({ maxVerdicts = MAX_VERDICTS } = {}) {
  const verdicts = new Map<string, boolean>();

  function judge(userAgent: string): boolean {
    const looked = userAgent.slice(0, LOOKED_AT_CHARS);
    const known = verdicts.get(looked);
    if (known !== undefined) return known;
    if (verdicts.size >= maxVerdicts) verdicts.clear();
    const verdict = isbot(looked);
    verdicts.set(looked, verdict);
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
