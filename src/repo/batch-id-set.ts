import { type BatchId, parseBatchId } from '../model/batch-id.ts';

/** Consecutive sequences of one producer, both ends included. */
type Range = [first: number, last: number];

/** Limit on all ranges together. A producer has few: a hole between two is a batch that was never stored. */
const MAX_RANGES = 16_384;

/**
 * The batch-ids that were ever stored. The sequences of a producer grow by one, so they take the space of a few ranges.
 * At the limit, the producers that sent least recently are forgotten, then the lowest ranges of the last producer. An id
 * of another form than `producer:sequence` is ignored.
 */
export class BatchIdSet {
  readonly #maxRanges: number;
  /** The producer that sent least recently comes first. */
  readonly #producers = new Map<string, Range[]>();
  #ranges = 0;

  constructor(maxRanges = MAX_RANGES) {
    this.#maxRanges = maxRanges;
  }

  has(id: BatchId): boolean {
    const parsed = parseBatchId(id);
    if (parsed === undefined) return false;
    const ranges = this.#producers.get(parsed.producer) ?? [];
    const range = ranges[firstEndingAt(ranges, parsed.sequence)];
    return range !== undefined && range[0] <= parsed.sequence;
  }

  /** Adds an id, or a range of ids as `toTexts` writes it: `producer:first-last`. */
  add(text: string): void {
    const match = /^(.+):(\d{1,15})(?:-(\d{1,15}))?$/.exec(text);
    if (match?.[1] === undefined) return;
    const first = Number(match[2]);
    this.#insert(match[1], [first, Number(match[3] ?? first)]);
  }

  toTexts(): string[] {
    return Array.from(this.#producers, ([producer, ranges]) =>
      ranges.map(([first, last]) => (first === last ? `${producer}:${first}` : `${producer}:${first}-${last}`)),
    ).flat();
  }

  #insert(producer: string, [first, last]: Range): void {
    const ranges = this.#producers.get(producer) ?? [];
    this.#producers.delete(producer);
    this.#producers.set(producer, ranges);
    this.#ranges -= ranges.length;
    // The new range swallows all that overlap or touch it.
    const from = firstEndingAt(ranges, first - 1);
    let to = from;
    let merged: Range = [first, last];
    for (let range = ranges[to]; range !== undefined && range[0] <= last + 1; range = ranges[++to]) {
      merged = [Math.min(merged[0], range[0]), Math.max(merged[1], range[1])];
    }
    ranges.splice(from, to - from, merged);
    this.#ranges += ranges.length;
    while (this.#ranges > this.#maxRanges) this.#forget();
  }

  #forget(): void {
    for (const [producer, ranges] of this.#producers) {
      if (this.#producers.size > 1) {
        this.#producers.delete(producer);
        this.#ranges -= ranges.length;
      } else {
        this.#ranges -= ranges.splice(0, Math.ceil(ranges.length / 8)).length;
      }
      return;
    }
  }
}

/** Index of the first range that ends at `sequence` or later. */
function firstEndingAt(ranges: readonly Range[], sequence: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = ranges[middle];
    if (range !== undefined && range[1] < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}
