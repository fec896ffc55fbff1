/** The bytes of request bodies in flight, under one limit. */
export interface InFlight {
  /** Room for a body of `bytes`, or undefined when there is none. */
  reserve(bytes: number): Reservation | undefined;
}

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
  readonly thread: number;
}

/** @param onChange told the total of this thread after each change */
export function createInFlight(maxBytes: number, onChange: (total: number) => void, shared?: SharedCounts): InFlight {
  let total = 0;
  const others = shared === undefined ? undefined : createShared(maxBytes, shared);

  const add = (bytes: number): boolean => {
    if (others === undefined ? total + bytes > maxBytes : !others.add(bytes)) return false;
    total += bytes;
    if (bytes > 0) onChange(total);
    return true;
  };

  const subtract = (bytes: number) => {
    if (bytes === 0) return;
    others?.subtract(bytes);
    total -= bytes;
    onChange(total);
  };

  const reserve = (bytes: number): Reservation | undefined => {
    if (!add(bytes)) return undefined;
    let reserved = bytes;
    let released = false;
    return {
      grow: (more) => {
        if (released || !add(more)) return false;
        reserved += more;
        return true;
      },
      shrinkTo: (rest) => {
        if (released || rest >= reserved) return;
        subtract(reserved - rest);
        reserved = rest;
      },
      release: () => {
        if (released) return;
        released = true;
        subtract(reserved);
      },
    };
  };

  return { reserve };
}

/** A count for each thread, written by that thread alone. So the bytes of a thread that died are known. */
function createShared(maxBytes: number, { inFlight, thread }: SharedCounts) {
  const counts = new BigInt64Array(inFlight);
  const sum = (): bigint => {
    let bytes = 0n;
    for (let i = 0; i < counts.length; i++) bytes += Atomics.load(counts, i);
    return bytes;
  };
  return {
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
