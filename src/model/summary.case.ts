import type { Hour, StreamHour } from './hour.ts';
import { ACCESS_STREAM, type StreamName } from './stream.ts';
import type { OwnedSummary, Summary, SummarySource } from './summary.ts';

/** An hour of the stream access, or of another. */
export function at(hour: Hour, stream: StreamName = ACCESS_STREAM.name): StreamHour {
  return { stream, hour };
}

/** A summary of access records. Its total is what stands in the paths, if none is given. */
export function accessSummary(options: {
  readonly hour: Hour;
  readonly paths: Map<string, number>;
  readonly userAgents: Map<string, number>;
  /** Records that the two maps do not name. */
  readonly others?: readonly [paths: number, userAgents: number];
  readonly source?: Partial<SummarySource>;
}): OwnedSummary {
  const { hour, paths, userAgents, others: [otherPaths, otherUserAgents] = [0, 0], source } = options;
  const records = source?.records ?? [...paths.values()].reduce((sum, count) => sum + count, otherPaths);
  return {
    ...at(hour),
    total: records,
    dimensions: [
      { name: 'path', counts: paths, other: otherPaths },
      { name: 'userAgent', counts: userAgents, other: otherUserAgents },
    ],
    source: { bytes: records * 100, records, skippedLines: 0, ...source },
  };
}

/** The counts of a summary by one dimension, as an object; undefined where there is no summary or no such dimension. */
export function countsOf(summary: Summary | undefined, dimension: string): Record<string, number> | undefined {
  const found = summary?.dimensions.find(({ name }) => name === dimension);
  return found && Object.fromEntries(found.counts);
}
