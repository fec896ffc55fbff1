import type { StreamName } from './stream.ts';
import { type Dimension, type Summary, summaryForm } from './summary.ts';

const SLICE_CHARS = 64 * 1024;

/**
 * A summary, or a sum of summaries, as two-space JSON, in slices, so that a large one is never in memory as a whole. The members of `head`
 * come first. `hasOther`: whether the records that the maps do not name are said. The maps are written key by key: an object would take
 * `__proto__` for its prototype and put `123` first.
 */
export function* summaryJson(
  { stream, head, hasOther }: SummaryJsonOptions,
  { total, dimensions, source }: Pick<Summary, 'total' | 'dimensions' | 'source'>,
): Generator<string, void, undefined> {
  const form = summaryForm(stream);
  const nameOf = ({ name }: Dimension) => form.members?.get(name) ?? name;
  yield '{\n';
  for (const [name, value] of Object.entries({ ...head, [form.total]: total })) yield `  ${member(name, value)},\n`;
  if (form.members === undefined) {
    yield '  "counts": {';
    for (const [i, dimension] of dimensions.entries())
      yield* mapMember(`${i === 0 ? '' : ','}\n    `, nameOf(dimension), dimension.counts);
    yield dimensions.length === 0 ? '}' : '\n  }';
  } else {
    for (const [i, dimension] of dimensions.entries())
      yield* mapMember(i === 0 ? '  ' : ',\n  ', nameOf(dimension), dimension.counts);
  }
  yield ',\n';
  if (hasOther) {
    const lines = dimensions.map((dimension) => `    ${member(nameOf(dimension), dimension.other)}`);
    yield `  "other": {\n${lines.join(',\n')}\n  },\n`;
  }
  yield `  ${member('source', source)}\n}\n`;
}

export interface SummaryJsonOptions {
  readonly stream: StreamName;
  readonly head: Readonly<Record<string, unknown>>;
  readonly hasOther: boolean;
}

/** Whether there are records that the maps do not name. */
export function hasUnnamed(dimensions: readonly Dimension[]): boolean {
  return dimensions.some(({ other }) => other > 0);
}

function member(name: string, value: unknown): string {
  return `${JSON.stringify(name)}: ${JSON.stringify(value, undefined, 2).replaceAll('\n', '\n  ')}`;
}

/** `lead` ends with the indentation of the member, after which its keys are indented by two. */
function* mapMember(
  lead: string,
  name: string,
  counts: ReadonlyMap<string, number>,
): Generator<string, void, undefined> {
  const indent = lead.slice(lead.lastIndexOf('\n') + 1);
  let slice = `${lead}${JSON.stringify(name)}: {`;
  let separator = '\n';
  for (const [key, count] of counts) {
    slice += `${separator}${indent}  ${JSON.stringify(key)}: ${count}`;
    separator = ',\n';
    if (slice.length < SLICE_CHARS) continue;
    yield slice;
    slice = '';
  }
  yield `${slice}${counts.size === 0 ? '' : `\n${indent}`}}`;
}
