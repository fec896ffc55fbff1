import type { StreamHour } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import type { DimensionNote } from '../model/summary.ts';
import type { CommittedHour } from '../repo/repo.ts';
import type { Handlers } from '../runtime/channel.ts';
import { createThread, withCauses } from '../runtime/thread.ts';
import type { HourReport, SummariseHour } from './summarise-hour.ts';

/** Summarises hours away from the event loop, one at a time in the order of the calls. */
export interface SummariserThread {
  /** Rejects when the hour cannot be summarised, or the thread ends before it is. */
  summarise(committed: CommittedHour, options?: { readonly rebuild?: boolean }): Promise<HourReport>;
  /** Makes the hour's summary, as it was written, survive a power cut. Absent where nothing is left to do for that. */
  readonly settle?: (at: StreamHour) => Promise<void>;
  /** Ends the thread, at the latest when its current read or write returns. A half-written summary is never seen. */
  stop(): Promise<void>;
}

/** Writes down by which fields the summaries of a stream are counted. */
export type WriteNote = (stream: StreamName, note: DimensionNote) => Promise<void>;

/** The calls that the aggregator thread answers. */
export interface SummariserCalls {
  summarise(question: Question): HourReport;
  settle(at: StreamHour): void;
  writeNote(wanted: { readonly stream: StreamName; readonly note: DimensionNote }): void;
}

interface Question {
  readonly committed: CommittedHour;
  readonly rebuild: boolean;
}

/** `entry` is a module that serves the calls of serveSummariser. */
export function createSummariserThread(options: {
  readonly entry: URL;
  readonly workerData: unknown;
  readonly heapMiB?: number;
  /** Whether what it writes has to be settled. */
  readonly settles: boolean;
}): SummariserThread & { readonly writeNote: WriteNote } {
  const thread = createThread<SummariserCalls>({ ...options, name: 'aggregator' });
  const settle = (at: StreamHour) => thread.remote.settle(at);
  return {
    summarise: (committed, { rebuild = false } = {}) => thread.remote.summarise({ committed, rebuild }),
    ...(options.settles && { settle }),
    writeNote: (stream, note) => thread.remote.writeNote({ stream, note }),
    stop: () => thread.stop(),
  };
}

/** The other end: answers the calls of a SummariserThread. */
export function serveSummariser(
  summariseHour: SummariseHour,
  syncSummary: (at: StreamHour) => void,
  writeNote: (stream: StreamName, note: DimensionNote) => void,
): Handlers<SummariserCalls> {
  return {
    writeNote: async ({ stream, note }) => writeNote(stream, note),
    settle: async (at) => syncSummary(at),
    async summarise({ committed, rebuild }) {
      try {
        return summariseHour(committed, { rebuild });
      } catch (error) {
        throw withCauses(error);
      }
    },
  };
}
