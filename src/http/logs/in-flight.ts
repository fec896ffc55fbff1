/** The bytes of request bodies in flight, under one limit. */
export interface InFlight {
  /** Room for `bytes`, or undefined when there is none. */
  reserve(bytes: number): Reservation | undefined;
  /** Whether so many bytes fit now. Reserves nothing: a body counts as it arrives. */
  hasRoom(bytes: number): boolean;
  /** Evicts when little room is left, or another thread found none. Slow bodies of one thread leave no room to another. */
  relieve(): void;
}

/** Refuses slow bodies, the slowest first, until `isEnough`, or until none is left that is slow. */
export type Evict = (isEnough: () => boolean) => void;

/** The part of the limit that is freed at once, so that not every further body must evict another one. */
const RELIEF = 1 / 16;
/** `relieve` begins when less than this part of the limit is left. */
const CROWDED = 1 / 8;

/** The bytes of one request. Released once, when nothing holds them any more; later calls do nothing. */
export interface Reservation {
  /** False when the limit does not allow it; then nothing changed. */
  grow(bytes: number): boolean;
  /** Gives back all but `bytes`. */
  shrinkTo(bytes: number): void;
  release(): void;
}

/** Counts of all threads, in memory that they share. `thread` is the number of this one. */
export interface SharedCounts {
  readonly inFlight: SharedArrayBuffer;
  /** See shared-limits.ts. */
  readonly wanted: SharedArrayBuffer;
  readonly thread: number;
}

export interface InFlightOptions {
  readonly maxBytes: number;
  /** Told the total of this thread after each change. */
  readonly onChange: (total: number) => void;
  readonly shared?: SharedCounts | undefined;
  /** Called when the limit is reached. Absent: nothing is evicted. */
  readonly evict?: Evict;
}

export function createInFlight({ maxBytes, onChange, shared, evict = () => undefined }: InFlightOptions): InFlight {
  let total = 0;
  const others = shared === undefined ? undefined : createShared(maxBytes, shared);
  const fits = (bytes: number) => (others?.sum() ?? total) + bytes <= maxBytes;

  const tryAdd = (bytes: number): boolean => {
    if (others === undefined ? total + bytes > maxBytes : !others.add(bytes)) return false;
    total += bytes;
    if (bytes > 0) onChange(total);
    return true;
  };

  /** This thread has no more slow bodies. Others may have some: they look in `relieve`. */
  const refuse = (bytes: number): false => {
    others?.want(bytes);
    return false;
  };

  const makeRoom = (bytes: number) => {
    const wanted = Math.min(maxBytes, bytes + maxBytes * RELIEF);
    evict(() => fits(wanted));
  };

  const add = (bytes: number): boolean => {
    if (tryAdd(bytes)) return true;
    makeRoom(bytes);
    return tryAdd(bytes) || refuse(bytes);
  };

  const subtract = (bytes: number) => {
    if (bytes === 0) return;
    others?.subtract(bytes);
    total -= bytes;
    onChange(total);
  };

  const counter = { add, subtract };
  const reserve = (bytes: number) => (add(bytes) ? new Counted(counter, bytes) : undefined);

  return {
    reserve,
    hasRoom: (bytes) => {
      if (fits(bytes)) return true;
      makeRoom(bytes);
      return fits(bytes) || refuse(bytes);
    },
    relieve: () => {
      const wanted = Math.max(maxBytes * CROWDED, others?.wanted() ?? 0);
      if (!fits(wanted)) makeRoom(wanted);
    },
  };
}

interface Counter {
  add(bytes: number): boolean;
  subtract(bytes: number): void;
}

class Counted implements Reservation {
  readonly #counter: Counter;
  #bytes: number;
  #released = false;

  constructor(counter: Counter, bytes: number) {
    this.#counter = counter;
    this.#bytes = bytes;
  }

  grow(more: number): boolean {
    if (this.#released || !this.#counter.add(more)) return false;
    if (this.#released) {
      // It was evicted to make this room.
      this.#counter.subtract(more);
      return false;
    }
    this.#bytes += more;
    return true;
  }

  shrinkTo(rest: number): void {
    if (this.#released || rest >= this.#bytes) return;
    this.#counter.subtract(this.#bytes - rest);
    this.#bytes = rest;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#counter.subtract(this.#bytes);
  }
}

/** A count for each thread, written by that thread alone. So the bytes of a thread that died are known. */
function createShared(maxBytes: number, { inFlight, wanted, thread }: SharedCounts) {
  const counts = new BigInt64Array(inFlight);
  const wants = new BigInt64Array(wanted);
  let seen = Atomics.load(wants, 0);
  const sum = (): number => {
    let bytes = 0;
    for (let i = 0; i < counts.length; i++) bytes += Number(Atomics.load(counts, i));
    return bytes;
  };
  return {
    sum,
    want(bytes: number): void {
      Atomics.store(wants, 1, BigInt(bytes));
      Atomics.add(wants, 0, 1n);
    },
    /** The bytes that a thread wanted since the last call, or 0. */
    wanted(): number {
      const times = Atomics.load(wants, 0);
      if (times === seen) return 0;
      seen = times;
      return Number(Atomics.load(wants, 1));
    },
    /** Adds first and checks then: of two threads that take the last room at once, at least one sees the other. */
    add(bytes: number): boolean {
      if (bytes === 0) return true;
      Atomics.add(counts, thread, BigInt(bytes));
      if (sum() <= maxBytes) return true;
      Atomics.sub(counts, thread, BigInt(bytes));
      return false;
    },
    subtract(bytes: number): void {
      Atomics.sub(counts, thread, BigInt(bytes));
    },
  };
}
