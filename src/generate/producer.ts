import type { MakeBatch } from './batch/batches.ts';
import type { Outcome, Sender } from './generate.ts';
import type { Pace } from './pace.ts';

export interface ProducerOptions {
  readonly makeBatch: MakeBatch;
  readonly sender: Sender;
  readonly pace: Pace;
  /** Records of a batch. */
  readonly batch: number;
  /** Records in all, and milliseconds within which batches are due; Infinity: without end. */
  readonly count: number;
  readonly durationMs: number;
  readonly stopped: AbortSignal;
  readonly report: (outcome: Outcome) => void;
  /** Milliseconds since 1970, for the records. */
  readonly wallClock: () => number;
}

/** Sends batches until a limit is reached or the run stops. What it began to send is sent whole. Rejects where a record cannot be encoded. */
export async function runProducer(options: ProducerOptions): Promise<void> {
  const { makeBatch, sender, pace, batch, count, durationMs, stopped, report, wallClock } = options;
  let left = count;
  while (left > 0) {
    const due = await pace.next();
    if (stopped.aborted || due >= durationMs) return;
    const records = Math.min(batch, left);
    report(await sender.send(makeBatch(records, wallClock())));
    left -= records;
  }
}
