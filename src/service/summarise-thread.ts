import type { CommittedHour } from '../repo/repo.ts';
import type { HourReport, SummariseHour } from './summarise-hour.ts';
import { createThread, withCauses } from './thread.ts';

/** Summarises hours away from the event loop, one at a time in the order of the calls. */
export interface SummariserThread {
  /** Rejects when the hour cannot be summarised, or the thread ends before it is. */
  summarise(committed: CommittedHour, options?: { readonly rebuild?: boolean }): Promise<HourReport>;
  /** Ends the thread, at the latest when its current read or write returns. A half-written summary is never seen. */
  stop(): Promise<void>;
}

interface Question {
  readonly committed: CommittedHour;
  readonly rebuild: boolean;
}

/** `entry` is a module that serves the calls of serveSummariser. */
export function createSummariserThread(options: {
  readonly entry: URL;
  readonly workerData: unknown;
}): SummariserThread {
  const thread = createThread({ ...options, name: 'aggregator' });
  return {
    summarise(committed, { rebuild = false } = {}) {
      const question: Question = { committed, rebuild };
      return thread.call('summarise', question) as Promise<HourReport>;
    },
    stop: () => thread.stop(),
  };
}

/** The calls that a SummariserThread makes, for the channel at its other end. */
export function serveSummariser(summariseHour: SummariseHour) {
  return {
    async summarise({ committed, rebuild }: Question): Promise<HourReport> {
      try {
        return summariseHour(committed, { rebuild });
      } catch (error) {
        throw withCauses(error);
      }
    },
  };
}
