/** Each record costs this many bytes beside its size: an empty one is not free. */
const RECORD_COST = 256;
/** A scanner reads this many bytes while the reference reader reads one. */
const SCAN_SPEED = 8;
/** A scanner that also writes reads this many. */
const WRITE_SPEED = 4;
/** The slowest reader: csv-parse, row by row. */
const PARSE_SPEED = 0.5;
/** About 5 ms of the slowest reader. */
const STEP_COST = 512 * 1024;

/** Tells a decoder when to yield, by the work done: decoders have no clock. */
export class Pace {
  #cost = 0;
  readonly #checkCost: number;

  /** `checkCost`: what the check of a line costs for each byte, where the reference reader costs 1. */
  constructor(checkCost = 0) {
    this.#checkCost = checkCost;
  }

  /** Counts one record of `bytes` that went to a slow reader; true when it is time to yield. */
  spent(bytes: number): boolean {
    return this.#add(bytes + RECORD_COST, bytes);
  }

  /** Counts `bytes` of records that were scanned and not copied; true when it is time to yield. */
  scanned(bytes: number): boolean {
    return this.#add(bytes / SCAN_SPEED, bytes);
  }

  /** Counts one record of `bytes` that was scanned and written; true when it is time to yield. */
  written(bytes: number): boolean {
    return this.#add((bytes + RECORD_COST) / WRITE_SPEED, bytes);
  }

  /** Counts one row of `bytes` that csv-parse read; true when it is time to yield. */
  parsed(bytes: number): boolean {
    return this.#add((bytes + RECORD_COST) / PARSE_SPEED, bytes);
  }

  #add(cost: number, bytes: number): boolean {
    this.#cost += cost + bytes * this.#checkCost;
    if (this.#cost < STEP_COST) return false;
    this.#cost = 0;
    return true;
  }
}

/** Runs a generator to its end without a pause, for small work. */
export function runToEnd<T>(steps: Generator<undefined, T, undefined>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
