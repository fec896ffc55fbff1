import type { Doubt } from '../generate.ts';

const SLOT_MS = 100;
/** A reader that lives has read what was written so long before. */
const WINDOW_MS = 1_000;

interface Slot {
  readonly number: number;
  records: number;
  bytes: number;
  /** That ended with them. */
  batches: number;
}

/** What was written into a connection in its last second. */
export class RecentRecords {
  #slots: Slot[] = [];

  add(records: number, bytes: number, now: number): void {
    const number = Math.floor(now / SLOT_MS);
    const last = this.#slots.at(-1);
    if (last?.number === number) {
      last.records += records;
      last.bytes += bytes;
      return;
    }
    this.#slots = this.#since(now);
    this.#slots.push({ number, records, bytes, batches: 0 });
  }

  /** What was added last is the end of a batch. */
  endBatch(): void {
    const last = this.#slots.at(-1);
    if (last !== undefined) last.batches++;
  }

  /** What was written in the second before `time`, and after it. Forgets all. */
  take(time: number): Doubt {
    const slots = this.#since(time);
    this.#slots = [];
    const sum = (of: (slot: Slot) => number): number => slots.reduce((total, slot) => total + of(slot), 0);
    return {
      records: sum(({ records }) => records),
      bytes: sum(({ bytes }) => bytes),
      batches: sum(({ batches }) => batches),
    };
  }

  #since(time: number): Slot[] {
    const first = Math.floor((time - WINDOW_MS) / SLOT_MS);
    return this.#slots.filter(({ number }) => number >= first);
  }
}
