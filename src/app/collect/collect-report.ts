import type { DeliverSlice, Slice } from '../../inputs/files/files.ts';
import type { FollowCounts } from '../../inputs/files/follower.ts';
import type { CollectCounts } from '../../live/collect-stats.ts';
import type { CollectStats } from '../../live/live.ts';
import type { AgentCounts } from '../../metrics/agent-metrics.ts';
import type { DeliveryReport, SliceOutcome } from '../files/slice-outcome.ts';
import type { CollectReadings } from './collect-reading.ts';

interface ReportParts {
  readonly counts: CollectCounts;
  readonly readings: CollectReadings;
  /** Milliseconds, on a clock that only goes forward. */
  readonly now: () => number;
  readonly notify: (message: string) => void;
}

/** Counts what becomes of slices. */
export class CollectReport implements DeliveryReport {
  readonly #parts: ReportParts;
  readonly notify: (message: string) => void;
  #duplicates = 0;
  #retries = 0;
  /** Records that are being delivered. */
  #inFlight = 0;

  constructor(parts: ReportParts) {
    this.#parts = parts;
    this.notify = parts.notify;
  }

  readonly noteRetry = (message: string): void => {
    this.#retries++;
    this.notify(message);
  };

  /** The same delivery; meanwhile its records are in flight. */
  counting(deliver: DeliverSlice): DeliverSlice {
    return async (slice) => {
      const { records } = slice.converted;
      this.#inFlight += records;
      try {
        await deliver(slice);
      } finally {
        this.#inFlight -= records;
      }
    };
  }

  /** What an earlier run has stored is no more counted than what it has counted. */
  delivered(slice: Slice, { stored, duplicates, isKnown, refused, refusals }: SliceOutcome): void {
    const { name, bytes, converted } = slice;
    const { body, unreadable } = converted;
    const { counts, readings, now } = this.#parts;
    this.#duplicates += duplicates;
    const [first] = refusals;
    if (first !== undefined) this.notify(`${name}: line ${first.first} was refused: ${first.reason}`);
    if (isKnown) return;
    const { kind, levels, tags, filtered, readAt } = readings.notesOf(body);
    counts.add({
      source: name,
      kind,
      bytes: bytes.length,
      records: stored,
      refused,
      levels,
      tags,
      filtered,
      errors: unreadable.map(({ number, reason }) => ({ file: name, number, reason })),
      latencyMs: now() - readAt,
      lines: body,
    });
  }

  stats({ files, lagBytes }: FollowCounts, about: string): CollectStats {
    return this.#parts.counts.read({ files, lagBytes, inFlight: this.#inFlight, about });
  }

  metrics({ files, lagBytes }: FollowCounts): AgentCounts {
    const { total, refused, filtered, parsing_errors } = this.#parts.counts.totals();
    return {
      stored: total,
      duplicates: this.#duplicates,
      refused,
      filtered,
      unreadable: parsing_errors,
      retries: this.#retries,
      files,
      lagBytes,
    };
  }
}
