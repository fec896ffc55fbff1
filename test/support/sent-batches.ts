/**
 * Compares the batches that were sent, and their answers, with the stored records. Every record carries the number `b` of its
 * batch and its place `i` in the batch, so that each stored line can be identified.
 */
export interface SentBatches {
  /** A new batch of `size` records; `keyed`: sent with an Idempotency-Key, so it may be sent again. */
  open(size: number, keyed: boolean): number;
  /** The number that `open` gives next. */
  next(): number;
  /** A request with the batch was answered, or (`lost`) the connection ended before it was. */
  answered(batch: number, answer: 'acknowledged' | 'refused' | 'lost'): void;
  /** A line was found in the store. */
  found(batch: number, index: number): void;
  /**
   * The problems, when no request is in flight and every stored line was found: a record stored twice, an acknowledged
   * record missing, a batch stored in part, a refused batch stored, a batch that appeared or vanished since the last check.
   */
  check(): string[];
  /** A stored record whose bytes were damaged on purpose: it may be there or not, once. */
  damaged(batch: number, index: number): void;
  /** What recognises the keys of batches sent so far was taken away: such a batch may be stored twice, whole. */
  forgetKeys(): void;
  /** Forgets the found lines, so that all can be found again. */
  recount(): void;
  totals(): {
    readonly batches: number;
    readonly acknowledged: number;
    readonly acknowledgedRecords: number;
    readonly unknown: number;
    readonly stored: number;
  };
}

interface Entry {
  readonly size: number;
  readonly keyed: boolean;
  acknowledged: boolean;
  /** A request with it ended without an answer: it may be stored or not. */
  lost: boolean;
  refused: boolean;
  /** Whether it was stored at the last check. Undefined before the first, and while it may be sent again. */
  settled: boolean | undefined;
  /** Its key was forgotten: it may be stored again. */
  isForgotten: boolean;
  damaged: Set<number> | undefined;
  /** How often each record was found. */
  seen: Uint8Array;
  stored: number;
}

const MAX_PROBLEMS = 20;

// Long: functions that share the entries of the batches.
export function createSentBatches(): SentBatches {
  const entries: Entry[] = [];
  const unknownRecords: string[] = [];
  /** Batches that changed since the last check. */
  let touched = new Set<number>();

  function describe(batch: number, entry: Entry): string | undefined {
    const most = entry.seen.reduce((max, times) => Math.max(max, times), 0);
    const present = entry.seen.reduce((count, times, index) => {
      return count + (times > 0 || (most > 0 && entry.damaged?.has(index)) ? 1 : 0);
    }, 0);
    // Damaged in every record, nothing tells whether it was there.
    if (present === 0 && entry.damaged !== undefined && entry.damaged.size === entry.size) return undefined;
    const isWhole = entry.seen.every((times, index) => times === most || entry.damaged?.has(index));
    const twice = entry.isForgotten && isWhole ? -1 : entry.seen.findIndex((times) => times > 1);
    const name = `batch ${batch} (${entry.size} records${entry.keyed ? ', keyed' : ''})`;
    if (twice >= 0) return `${name}: record ${twice} is stored ${entry.seen[twice]} times`;
    if (present !== 0 && present !== entry.size) return `${name}: ${present} records are stored, the others are not`;
    const isThere = present > 0;
    if (entry.acknowledged && !isThere) return `${name}: was acknowledged and is not stored`;
    if (isThere && !entry.acknowledged && !entry.lost) return `${name}: was never accepted and is stored`;
    if (entry.settled !== undefined && entry.settled !== isThere) {
      return `${name}: was ${isThere ? 'not ' : ''}stored after an earlier start and now is${isThere ? '' : ' not'}`;
    }
    entry.settled = entry.keyed && !isThere ? undefined : isThere;
    return undefined;
  }

  return {
    next: () => entries.length,
    open(size, keyed) {
      entries.push({
        size,
        keyed,
        acknowledged: false,
        lost: false,
        refused: false,
        settled: undefined,
        isForgotten: false,
        damaged: undefined,
        seen: new Uint8Array(size),
        stored: 0,
      });
      return entries.length - 1;
    },
    answered(batch, answer) {
      const entry = entries[batch];
      if (entry === undefined) throw new Error(`no such batch: ${batch}`);
      entry[answer] = true;
      touched.add(batch);
    },
    found(batch, index) {
      const entry = entries[batch];
      if (entry === undefined || index >= entry.size) {
        unknownRecords.push(`a record is stored that was never sent: batch ${batch}, record ${index}`);
        return;
      }
      entry.seen[index] = Math.min((entry.seen[index] ?? 0) + 1, 255);
      entry.stored++;
      touched.add(batch);
    },
    check() {
      const problems = unknownRecords.slice(0, MAX_PROBLEMS);
      for (const batch of touched) {
        const entry = entries[batch];
        const problem = entry === undefined ? undefined : describe(batch, entry);
        if (problem !== undefined && problems.length < MAX_PROBLEMS) problems.push(problem);
      }
      touched = new Set();
      return problems;
    },
    damaged(batch, index) {
      const entry = entries[batch];
      if (entry === undefined) throw new Error(`no such batch: ${batch}`);
      entry.damaged ??= new Set();
      entry.damaged.add(index);
      touched.add(batch);
    },
    forgetKeys() {
      for (const entry of entries) {
        entry.isForgotten ||= entry.keyed;
        // Sent again, it may appear.
        if (entry.keyed && entry.settled === false) entry.settled = undefined;
      }
    },
    recount() {
      for (const [batch, entry] of entries.entries()) {
        entry.seen.fill(0);
        entry.stored = 0;
        touched.add(batch);
      }
    },
    totals() {
      return {
        batches: entries.length,
        acknowledged: entries.filter((entry) => entry.acknowledged).length,
        acknowledgedRecords: entries.reduce((sum, { acknowledged, size }) => sum + (acknowledged ? size : 0), 0),
        unknown: entries.filter((entry) => !entry.acknowledged && entry.lost).length,
        stored: entries.reduce((sum, entry) => sum + entry.stored, 0),
      };
    },
  };
}
