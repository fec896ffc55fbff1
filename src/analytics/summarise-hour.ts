import { BYTES } from '../model/bytes.ts';
import type { StreamHour } from '../model/hour.ts';
import type { Stream } from '../model/stream.ts';
import { type MapLimits, type OwnedSummary, type Summary, SummaryFormatError } from '../model/summary.ts';
import type { CommittedHour } from '../repo/repo.ts';
import { createCounters } from './count-dimensions.ts';
import { createFileCounter, type FieldCounts, type LineCounts, type ReadBytes } from './summarise.ts';

const { NEWLINE } = BYTES;

export interface HourReport {
  /** 'missing': there is no file of the hour. A summary of it stays as it was. */
  readonly outcome: 'written' | 'unchanged' | 'missing';
  /** Bytes and records counted by this call, and corrupt lines among them. */
  readonly bytes: number;
  readonly records: number;
  readonly skippedLines: number;
  /** Why the summary or the file was not as expected, for the operator. */
  readonly warnings: readonly string[];
}

/** Brings one hour's summary up to its committed length. `rebuild`: counts from the start, whatever the summary says. */
export type SummariseHour = (committed: CommittedHour, options?: { readonly rebuild?: boolean }) => HourReport;

/** Access to hour files and summaries. Handed in, because another room owns them. */
export interface SummariseHourOptions {
  /** Undefined when there is no such file. */
  readonly openHour: (hour: CommittedHour) => (HourSource & { close(): void }) | undefined;
  readonly summaries: {
    /**
     * Undefined where there is none. What it gives is the caller's to change. SummaryFormatError: what is there is no
     * summary. Any other error fails the hour.
     */
    read(at: StreamHour): OwnedSummary | undefined;
    write(summary: Summary): void;
    /** Renames a damaged summary that cannot be counted again, and gives its new path. */
    putAside(at: StreamHour): string;
  };
  /** Those whose hours are summarised. */
  readonly streams: Iterable<Stream>;
  /** Of each map of a summary. */
  readonly limits?: MapLimits;
  readonly sliceBytes?: number;
}

interface HourSource {
  readonly size: number;
  readonly read: ReadBytes;
}

/**
 * Synchronous, for a thread of its own. Holds one hour in memory at a time: its distinct values, about 250 bytes each at the peak, up to
 * `limits`, while the new counts are added to the old summary. A summary that was counted by other dimensions is counted from the start.
 */
export function createHourSummariser(options: SummariseHourOptions): SummariseHour {
  const { openHour, summaries, sliceBytes, limits } = options;
  const countFile = createFileCounter(sliceBytes === undefined ? {} : { sliceBytes });
  const streams = new Map(Array.from(options.streams, (stream) => [stream.name, toCounted(stream)]));

  function readPrevious(committed: CommittedHour, file: HourSource, end: number, warnings: string[]) {
    try {
      const previous = summaries.read(committed);
      if (previous === undefined) return undefined;
      const fault = findFault(previous, file, end);
      if (fault === undefined) return previous;
      warnings.push(`counted again from the start: ${fault}`);
    } catch (error) {
      if (!(error instanceof SummaryFormatError)) throw error;
      warnings.push(`counted again from the start: the summary cannot be used: ${error.message}`);
    }
    return undefined;
  }

  /** The records of the hour are gone, so a summary that cannot be used would be refused for ever. */
  function putAsideDamaged(at: StreamHour, warnings: string[]): void {
    try {
      summaries.read(at);
    } catch (error) {
      if (!(error instanceof SummaryFormatError)) throw error;
      const path = summaries.putAside(at);
      warnings.push(`put aside as ${path}: its records are gone, and it cannot be used: ${error.message}`);
    }
  }

  return function summariseHour(committed, { rebuild = false } = {}) {
    const stream = streams.get(committed.stream);
    if (stream === undefined) throw new Error(`there is no stream ${JSON.stringify(committed.stream)}`);
    const warnings: string[] = [];
    const file = openHour(committed);
    if (file === undefined) {
      putAsideDamaged(committed, warnings);
      return { ...NOTHING, outcome: 'missing', warnings };
    }
    try {
      const end = Math.min(committed.bytes, file.size);
      if (end < committed.bytes) warnings.push(`the file has ${end} bytes, ${committed.bytes} were stored`);
      const found = rebuild ? undefined : readPrevious(committed, file, end, warnings);
      const isByOthers = found !== undefined && !isCountedBy(found, stream.countBy);
      const previous = isByOthers ? undefined : found;
      const from = previous?.source.bytes ?? 0;
      const isNew = previous === undefined && (end > 0 || warnings.length > 0 || isByOthers);
      if (from === end && !isNew) return { ...NOTHING, outcome: 'unchanged', warnings };
      const before = previous && fieldsOf(previous);
      const counter = stream.createCounter({ before, ...(limits && { limits }) });
      const counts = countFile((...at) => file.read(...at), from, end, counter);
      if (counts.bytes === 0 && !isNew) return { ...NOTHING, outcome: 'unchanged', warnings };
      summaries.write(addUp(committed, stream.countBy, previous, counts));
      const { bytes, records, skippedLines } = counts;
      return { outcome: 'written', bytes, records, skippedLines, warnings };
    } finally {
      file.close();
    }
  };
}

function toCounted(stream: Stream) {
  return { countBy: stream.countBy, createCounter: createCounters(stream) };
}

function isCountedBy({ dimensions }: Summary, countBy: readonly string[]): boolean {
  return dimensions.length === countBy.length && dimensions.every(({ name }, i) => name === countBy[i]);
}

const NOTHING = { bytes: 0, records: 0, skippedLines: 0 };

/** Why the file cannot be the one that was counted: it is shorter, or the counted part ends within a line. */
function findFault(previous: Summary, file: HourSource, end: number): string | undefined {
  const { bytes } = previous.source;
  if (bytes > end) return `the file is shorter (${end} bytes) than what was counted (${bytes})`;
  if (bytes === 0) return undefined;
  const last = Buffer.alloc(1);
  return file.read(last, 0, 1, bytes - 1) === 1 && last[0] === NEWLINE ? undefined : 'the file was changed by hand';
}

/** The counts of the file, which were added to those of the previous summary. */
function addUp(
  { stream, hour }: StreamHour,
  countBy: readonly string[],
  previous: OwnedSummary | undefined,
  counts: LineCounts,
): Summary {
  const records = (previous?.source.records ?? 0) + counts.records;
  return {
    stream,
    hour,
    total: records,
    dimensions: countBy.map((name, i) => ({
      name,
      counts: counts.byField[i] ?? new Map(),
      other: counts.others[i] ?? 0,
    })),
    source: {
      bytes: (previous?.source.bytes ?? 0) + counts.bytes,
      records,
      skippedLines: (previous?.source.skippedLines ?? 0) + counts.skippedLines,
    },
  };
}

/** What the previous summary counted. Its maps are added to: few to many, and their order stays, which the writer sorts faster. */
function fieldsOf({ dimensions }: OwnedSummary): FieldCounts {
  return { byField: dimensions.map(({ counts }) => counts), others: dimensions.map(({ other }) => other) };
}
