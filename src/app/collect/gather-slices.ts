import { BLOCK_BYTES, type DeliverSlice, type Slice } from '../../inputs/files/files.ts';

export interface GatherOptions {
  /** So many lines are delivered at once when they have come together; or BLOCK_BYTES of them, which the bytes in flight must not wait for. */
  readonly lines: number;
  /** Or so many slices, however short: each counts as MIN_CHARGE_BYTES in flight, and without room there nothing more is read. */
  readonly slices: number;
  /** A slice waits for others at most so long. Milliseconds. */
  readonly intervalMs: number;
}

export interface Gather {
  readonly deliver: DeliverSlice;
  /** Delivers what waits, and all that comes later at once: for a stop. */
  flush(): void;
}

/** Lets slices wait for others, so that they share what each delivery costs. They are delivered in the order in which they came. */
export function gatherSlices(deliver: DeliverSlice, { lines, slices, intervalMs }: GatherOptions): Gather {
  let waiting: (() => void)[] = [];
  let gathered = 0;
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;

  function release(): void {
    clearTimeout(timer);
    timer = undefined;
    const ready = waiting;
    waiting = [];
    gathered = 0;
    bytes = 0;
    for (const go of ready) go();
  }

  return {
    deliver(slice: Slice) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      // Called for one slice after the other, so that deliveries begin in that order.
      waiting.push(() => void deliver(slice).then(resolve, reject));
      gathered += slice.converted.frames;
      bytes += slice.bytes.length;
      const isEnough = gathered >= lines || bytes >= BLOCK_BYTES || waiting.length >= slices;
      if (isOver || isEnough || intervalMs === 0) release();
      else timer ??= setTimeout(release, intervalMs);
      return promise;
    },
    flush() {
      isOver = true;
      release();
    },
  };
}
