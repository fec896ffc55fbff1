import type { Doubt, Outcome } from './generate.ts';

/** What a run has sent. */
export interface Totals {
  readonly sent: number;
  readonly failed: number;
  readonly unsure: number;
  readonly bytes: number;
  readonly sentBatches: number;
  /** In which at least one record was not surely sent. */
  readonly failedBatches: number;
}

export function createTotals(): {
  add(outcome: Outcome): void;
  /** What was added as sent is unsure. */
  doubt(doubt: Doubt): void;
  now(): Totals;
} {
  let totals: Totals = { sent: 0, failed: 0, unsure: 0, bytes: 0, sentBatches: 0, failedBatches: 0 };
  return {
    add({ sent, failed, unsure, bytes, isDoubted = false }) {
      const isWhole = failed === 0 && unsure === 0 && !isDoubted;
      totals = {
        sent: totals.sent + sent,
        failed: totals.failed + failed,
        unsure: totals.unsure + unsure,
        bytes: totals.bytes + bytes,
        sentBatches: totals.sentBatches + (isWhole ? 1 : 0),
        failedBatches: totals.failedBatches + (isWhole ? 0 : 1),
      };
    },
    doubt({ records, bytes, batches }) {
      totals = {
        ...totals,
        sent: totals.sent - records,
        unsure: totals.unsure + records,
        bytes: totals.bytes - bytes,
        sentBatches: totals.sentBatches - batches,
        failedBatches: totals.failedBatches + batches,
      };
    },
    now: () => totals,
  };
}

const MIB = 1024 * 1024;
const MS_PER_SECOND = 1_000;

/** One line for people: records and batches, and records a second over these milliseconds. */
export function describeTotals(
  { sent, failed, unsure, bytes, sentBatches, failedBatches }: Totals,
  ms: number,
): string {
  const rate = Math.round((sent * MS_PER_SECOND) / Math.max(1, ms));
  return `sent ${sent} records (${(bytes / MIB).toFixed(1)} MiB) in ${sentBatches} batches, failed ${failed}, unsure ${unsure} in ${failedBatches} batches, ${rate} records/s`;
}
