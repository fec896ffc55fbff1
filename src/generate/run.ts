import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises';
import { createBatches, createReusedBatches, KEPT_RECORDS } from './batch/batches.ts';
import { createFraming } from './batch/framing.ts';
import type { Encoding, Fields, Framing, Outcome, RecordKind, SendContext, Sender } from './generate.ts';
import { type Burst, createPace } from './pace.ts';
import { runProducer } from './producer.ts';
import { createRandom } from './records/random.ts';
import { createRecords } from './records/records.ts';
import { createTotals, describeTotals, type Totals } from './totals.ts';

export interface RunOptions {
  readonly records: RecordKind;
  readonly fields: Fields;
  readonly size?: number | undefined;
  readonly seed: number;
  readonly encoding: Encoding;
  readonly framing: Framing;
  readonly producers: number;
  /** Of each producer. */
  readonly batch: number;
  readonly intervalMs: number;
  readonly count: number;
  readonly durationMs: number;
  readonly burst: Burst;
  readonly retries: number;
  /** Makes the sender of each producer. */
  readonly createSender: (context: SendContext) => Sender;
  /** Aborted to stop in order. */
  readonly stop: AbortSignal;
  /** For people: progress and faults. */
  readonly print: (line: string) => void;
}

/** Above this rate a producer uses its encoded records again: records a second. */
const REUSE_ABOVE = 10_000;
const MS_PER_SECOND = 1_000;
const REPORT_MS = 10_000;
/** A sender that hangs when the run stops is cut after this. */
const STOP_MS = 5_000;

/**
 * Runs all producers to their end, and resolves with what they sent. They are connections of one process: on the few cores of a test machine a
 * thread for each would only take the time of the program that is tested, and one process sends more than it can store. Rejects where a record
 * cannot be encoded.
 */
export async function runGenerator(options: RunOptions): Promise<Totals> {
  const { encoding, producers, retries, stop, print, createSender } = options;
  const totals = createTotals();
  const notify = createNotify(print);
  // One producer that cannot go on stops all.
  const failed = new AbortController();
  const stopped = AbortSignal.any([stop, failed.signal]);
  const start = performance.now();
  const wait = async (ms: number): Promise<void> => {
    // The only fault is the stop.
    await sleep(ms, undefined, { signal: stopped }).catch(() => undefined);
  };
  const context = { retries, head: headOf(options, encoding), stopped, notify, warn: print, doubt: totals.doubt, wait };
  const senders = Array.from({ length: producers }, () => createSender(context));
  const reports = setInterval(() => print(describeTotals(totals.now(), performance.now() - start)), REPORT_MS);
  let cut: NodeJS.Timeout | undefined;
  const onStop = (): void => {
    cut = setTimeout(() => {
      for (const sender of senders) sender.destroy();
    }, STOP_MS);
  };
  stopped.addEventListener('abort', onStop, { once: true });
  const report = (outcome: Outcome): void => {
    totals.add(outcome);
    if (outcome.problem !== undefined) notify(outcome.problem);
  };
  try {
    const runs = senders.map((sender, index) =>
      runOne(options, { sender, index, wait, stopped, report }).catch((error: unknown) => {
        failed.abort();
        throw error;
      }),
    );
    for (const { reason } of (await Promise.allSettled(runs)).filter(
      ({ status }) => status === 'rejected',
    ) as PromiseRejectedResult[])
      throw reason;
  } finally {
    await Promise.all(senders.map((sender) => sender.close()));
    clearInterval(reports);
    clearTimeout(cut);
  }
  print(describeTotals(totals.now(), performance.now() - start));
  return totals.now();
}

interface One {
  readonly sender: Sender;
  readonly index: number;
  readonly wait: (ms: number) => Promise<void>;
  readonly stopped: AbortSignal;
  readonly report: (outcome: Outcome) => void;
}

function runOne(options: RunOptions, { sender, index, wait, stopped, report }: One): Promise<void> {
  const { records: kind, seed, size, fields, encoding, framing, batch, intervalMs, burst } = options;
  const next = createRecords({ kind, seed, producer: index, size, fields });
  const parts = { next, encoding, around: createFraming(framing, encoding) };
  const isFast = intervalMs === 0 || (batch * MS_PER_SECOND) / intervalMs > REUSE_ABOVE;
  const now = (): number => performance.now();
  return runProducer({
    makeBatch: isFast
      ? createReusedBatches({ ...parts, keep: KEPT_RECORDS / options.producers })
      : createBatches(parts),
    sender,
    pace: createPace({ intervalMs, burst, random: createRandom(~seed, index), now, wait, breathe: () => breathe() }),
    batch,
    count: options.count,
    durationMs: options.durationMs,
    stopped,
    report,
    wallClock: Date.now,
  });
}

/** In the body of a request the head is part of the body. */
function headOf({ framing }: RunOptions, { head }: Encoding): Buffer {
  return Buffer.from(framing === 'newline' ? head : '');
}

const NOTIFY_MS = 1_000;

/** Prints a fault at most once a second, with how many were left out. */
function createNotify(print: (line: string) => void): (message: string) => void {
  let printed = Number.NEGATIVE_INFINITY;
  let leftOut = 0;
  return function notify(message) {
    const now = performance.now();
    if (now - printed < NOTIFY_MS) {
      leftOut++;
      return;
    }
    print(leftOut === 0 ? message : `${message} (and ${leftOut} more like it)`);
    printed = now;
    leftOut = 0;
  };
}
