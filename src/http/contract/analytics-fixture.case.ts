import type { Analytics, AnalyticsQuestion, RangeSum } from '../../analytics/analytics.ts';
import { openBytes } from '../../disk/open-file.ts';
import { summaryText } from '../api/summary-text.ts';

export function sumOf(
  paths: ReadonlyMap<string, number>,
  userAgents: ReadonlyMap<string, number>,
  rest: Partial<RangeSum> = {},
): RangeSum {
  const totalRequests = [...paths.values()].reduce((a, b) => a + b, 0);
  const source = { bytes: 12_345, records: totalRequests, skippedLines: 1 };
  return { totalRequests, requestsPerPath: paths, requestsPerUserAgent: userAgents, source, hours: 1, ...rest };
}

/** Answers with the text of a sum, as the analytics thread makes it. */
export function answering(sum: RangeSum, asked: AnalyticsQuestion[] = []): Pick<Analytics, 'ask'> {
  return {
    ask: async (question) => {
      asked.push(question);
      return { kind: 'text', text: openBytes(Buffer.from([...summaryText(question, sum)].join(''))) };
    },
  };
}

/** An answer that can go to another thread. */
type Cloneable =
  | Exclude<Awaited<ReturnType<Analytics['ask']>>, { kind: 'text' }>
  | { kind: 'bytes'; bytes: Uint8Array };

/** The same answers, as they go to a thread. */
export function toSource({ ask, breakdown }: Analytics) {
  return {
    breakdown,
    async ask(question: AnalyticsQuestion): Promise<Cloneable> {
      const answer = await ask(question);
      if (answer.kind !== 'text') return answer;
      const slices: Uint8Array[] = [];
      for (let slice = await answer.text.next(); slice !== undefined; slice = await answer.text.next())
        slices.push(slice);
      return { kind: 'bytes', bytes: Buffer.concat(slices) };
    },
  };
}
