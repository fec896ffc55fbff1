import type { Analytics, AnalyticsQuestion, RangeSum } from '../../analytics/analytics.ts';
import { openBytes } from '../../disk/open-file.ts';
import { summaryText } from '../api/summary-text.ts';

export function sumOf(
  paths: ReadonlyMap<string, number>,
  userAgents: ReadonlyMap<string, number>,
  { hours = 1, others = [0, 0] }: { readonly hours?: number; readonly others?: readonly [number, number] } = {},
): RangeSum {
  const total = [...paths.values()].reduce((a, b) => a + b, 0);
  const source = { bytes: 12_345, records: total, skippedLines: 1 };
  const dimensions = [
    { name: 'path', counts: paths, other: others[0] },
    { name: 'userAgent', counts: userAgents, other: others[1] },
  ];
  return { total, dimensions, source, hours };
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
export function toSource({ ask, ...others }: Analytics) {
  return {
    ...others,
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
