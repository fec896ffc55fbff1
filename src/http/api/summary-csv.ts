import { csvCell } from '../../lines/csv-cell.ts';
import { isDefaultStream, type StreamName } from '../../model/stream.ts';
import type { Dimension } from '../../model/summary.ts';

const SLICE_CHARACTERS = 64 * 1024;

/**
 * The maps of a summary as CSV by RFC 4180, in slices: a row for each value of each dimension. `hasOther`: one more row a dimension has the
 * records that its map does not name.
 *
 *   dimension,value,requests               of any stream but access: dimension,value,records
 *   path,/favicon.ico,9                                               level,INFO,9
 *   otherPaths,,65                                                    other level,,65
 *   userAgent,curl/8,3
 *   otherUserAgents,,71
 *
 * A value that a spreadsheet would run as a formula gets an apostrophe in front, since clients choose these values. JSON
 * has the values unchanged.
 */
export function* summaryCsv(
  { stream, hasOther }: { readonly stream: StreamName; readonly hasOther: boolean },
  dimensions: readonly Dimension[],
): Generator<string> {
  const isAccess = isDefaultStream(stream);
  yield `dimension,value,${isAccess ? 'requests' : 'records'}\r\n`;
  for (const { name, counts, other } of dimensions) {
    yield* rows(csvCell(name), counts);
    const label = (isAccess && ACCESS_OTHERS[name]) || csvCell(`other ${name}`);
    if (hasOther) yield `${label},,${other}\r\n`;
  }
}

/** Older than streams. */
const ACCESS_OTHERS: Readonly<Record<string, string>> = { path: 'otherPaths', userAgent: 'otherUserAgents' };

function* rows(dimension: string, counts: ReadonlyMap<string, number>): Generator<string> {
  let slice = '';
  for (const [value, count] of counts) {
    slice += `${dimension},${csvCell(value)},${count}\r\n`;
    if (slice.length < SLICE_CHARACTERS) continue;
    yield slice;
    slice = '';
  }
  yield slice;
}

/** Whether an Accept header prefers text/csv to application/json. RFC 9110, section 12.5.1. */
export function prefersCsv(accept: string | undefined): boolean {
  const csv = quality(accept, 'text/csv');
  return csv > 0 && csv > Math.max(quality(accept, 'application/json'), quality(accept, 'application/*'));
}

function quality(accept: string | undefined, type: string): number {
  for (const range of accept?.split(',') ?? []) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    if (name !== type) continue;
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    return q === undefined ? 1 : Number(q) || 0;
  }
  return 0;
}
