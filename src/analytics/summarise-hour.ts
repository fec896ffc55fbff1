import { BYTES } from '../model/bytes.ts';
import type { Hour } from '../model/hour.ts';
import { type OwnedSummary, type Summary, SummaryFormatError } from '../model/summary.ts';
import type { CommittedHour } from '../repo/repo.ts';
import { addTo, createFileCounter, type LineCounts, type ReadBytes } from './summarise.ts';

const { NEWLINE } = BYTES;

export interface HourReport {
  /** 'missing': the hour's file is gone; its summary, if there is one, stands as it was. */
  readonly outcome: 'written' | 'unchanged' | 'missing';
  /** Bytes counted by this call, and the lines among them that are no records. */
  readonly bytes: number;
  readonly records: number;
  readonly skippedLines: number;
  /** Why what was there could not be relied upon, as said to the operator. */
  readonly warnings: readonly string[];
}

/** Brings one hour's summary up to its committed length. `rebuild`: counts from the start, whatever the summary says. */
export type SummariseHour = (committed: CommittedHour, options?: { readonly rebuild?: boolean }) => HourReport;

/** Where the bytes are and the summaries go; handed in, because they are files of another room. */
export interface SummariseHourOptions {
  /** Undefined when there is no such file. */
  readonly openHour: (path: string) => (HourSource & { close(): void }) | undefined;
  readonly summaries: {
    /**
     * Undefined where there is none. What it gives is the caller's to change. SummaryFormatError: what is there is no
     * summary. Any other error fails the hour.
     */
    read(hour: Hour): OwnedSummary | undefined;
    write(summary: Summary): void;
  };
  readonly sliceBytes?: number;
}

interface HourSource {
  readonly size: number;
  readonly read: ReadBytes;
}

/**
 * Synchronous from end to end: it runs where nothing waits for it. Holds one hour in memory at a time: its distinct paths and user
 * agents, about 250 bytes each at the peak, when the summary that was and the new counts are added up.
 */
export function createHourSummariser(options: SummariseHourOptions): SummariseHour {
  const { openHour, summaries, sliceBytes } = options;
  const countFile = createFileCounter(sliceBytes === undefined ? {} : { sliceBytes });

  function readPrevious(committed: CommittedHour, file: HourSource, end: number, warnings: string[]) {
    try {
      const previous = summaries.read(committed.hour);
      if (previous === undefined) return undefined;
      const fault = findFault(previous, file, end);
      if (fault === undefined) return previous;
      warnings.push(`counted anew: ${fault}`);
    } catch (error) {
      if (!(error instanceof SummaryFormatError)) throw error;
      warnings.push(`counted anew: the summary cannot be used: ${error.message}`);
    }
    return undefined;
  }

  return function summariseHour(committed, { rebuild = false } = {}) {
    const warnings: string[] = [];
    const file = openHour(committed.path);
    if (file === undefined) return { ...NOTHING, outcome: 'missing', warnings };
    try {
      const end = Math.min(committed.bytes, file.size);
      if (end < committed.bytes) warnings.push(`the file has ${end} bytes, ${committed.bytes} were stored`);
      const previous = rebuild ? undefined : readPrevious(committed, file, end, warnings);
      const from = previous?.source.bytes ?? 0;
      const isNew = previous === undefined && (end > 0 || warnings.length > 0);
      if (from === end && !isNew) return { ...NOTHING, outcome: 'unchanged', warnings };
      const counts = countFile(file.read, from, end);
      if (counts.bytes === 0 && !isNew) return { ...NOTHING, outcome: 'unchanged', warnings };
      summaries.write(addUp(committed.hour, previous, counts));
      const { bytes, records, skippedLines } = counts;
      return { outcome: 'written', bytes, records, skippedLines, warnings };
    } finally {
      file.close();
    }
  };
}

const NOTHING = { bytes: 0, records: 0, skippedLines: 0 };

/** What shows that the file is not the one that was counted: it is shorter, or the counting ended within a line. */
function findFault(previous: Summary, file: HourSource, end: number): string | undefined {
  const { bytes } = previous.source;
  if (bytes > end) return `the file is shorter (${end} bytes) than what was counted (${bytes})`;
  if (bytes === 0) return undefined;
  const last = Buffer.alloc(1);
  return file.read(last, 0, 1, bytes - 1) === 1 && last[0] === NEWLINE ? undefined : 'the file was changed by hand';
}

/** The new counts go into the old maps: few into many, and what is in order stays so, which the writer sorts faster. */
function addUp(hour: Hour, previous: OwnedSummary | undefined, counts: LineCounts): Summary {
  const [paths = new Map(), userAgents = new Map()] = counts.byField;
  const requestsPerPath = addAll(previous?.requestsPerPath, paths);
  const requestsPerUserAgent = addAll(previous?.requestsPerUserAgent, userAgents);
  const records = (previous?.source.records ?? 0) + counts.records;
  return {
    hour,
    totalRequests: records,
    requestsPerPath,
    requestsPerUserAgent,
    source: {
      bytes: (previous?.source.bytes ?? 0) + counts.bytes,
      records,
      skippedLines: (previous?.source.skippedLines ?? 0) + counts.skippedLines,
    },
  };
}

function addAll(to: Map<string, number> | undefined, counts: Map<string, number>): Map<string, number> {
  if (to === undefined) return counts;
  for (const [key, count] of counts) addTo(to, key, count);
  return to;
}
