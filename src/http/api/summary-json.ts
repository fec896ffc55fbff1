import type { Summary } from '../../model/summary.ts';

const SLICE_CHARACTERS = 64 * 1024;

/**
 * A summary as two-space JSON, in slices, so that a large one is never in memory as a whole. The members of `head` come
 * first, `other` comes after the maps. The maps are written entry by entry: an object would take `__proto__` for its
 * prototype and put `123` first.
 */
export function* summaryJson(
  head: Readonly<Record<string, unknown>>,
  { totalRequests, requestsPerPath, requestsPerUserAgent, source }: Omit<Summary, 'hour' | 'other'>,
  other?: { readonly requestsPerPath: number; readonly requestsPerUserAgent: number },
): Generator<string> {
  yield '{\n';
  for (const [name, value] of Object.entries({ ...head, totalRequests })) yield `  ${member(name, value)},\n`;
  yield* mapMember('requestsPerPath', requestsPerPath);
  yield* mapMember('requestsPerUserAgent', requestsPerUserAgent);
  if (other !== undefined) yield `  ${member('other', other)},\n`;
  yield `  ${member('source', source)}\n}\n`;
}

function member(name: string, value: unknown): string {
  return `${JSON.stringify(name)}: ${JSON.stringify(value, undefined, 2).replaceAll('\n', '\n  ')}`;
}

function* mapMember(name: string, counts: ReadonlyMap<string, number>): Generator<string> {
  let slice = `  ${JSON.stringify(name)}: {`;
  let separator = '\n';
  for (const [key, count] of counts) {
    slice += `${separator}    ${JSON.stringify(key)}: ${count}`;
    separator = ',\n';
    if (slice.length < SLICE_CHARACTERS) continue;
    yield slice;
    slice = '';
  }
  yield `${slice}${counts.size === 0 ? '' : '\n  '}},\n`;
}
