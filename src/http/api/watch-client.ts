import type { ServerResponse } from 'node:http';

export interface ReadingLimits {
  /** While the service waits for it, a client has to take this many bytes in each period, or it is disconnected. */
  readonly leastBytes: number;
  readonly periodMs: number;
}

export const READING_LIMITS: ReadingLimits = { leastBytes: 1024 * 1024, periodMs: 30_000 };

/** The client of an answer: whether it is still there, and how it takes what is written. */
export function watchClient(outgoing: ServerResponse, { leastBytes, periodMs }: ReadingLimits) {
  const state = { isGone: outgoing.destroyed, isSlow: false };
  outgoing.once('close', () => {
    state.isGone = true;
  });
  let taken = 0;
  let waitedMs = 0;

  /** False when the client is gone, or was cut because it is slow. */
  async function write(bytes: Uint8Array): Promise<boolean> {
    if (outgoing.write(bytes)) return !state.isGone;
    const since = performance.now();
    const isTaken = await drained(periodMs - waitedMs);
    if (state.isGone) return false;
    waitedMs += performance.now() - since;
    taken += bytes.length;
    if (taken >= leastBytes) [taken, waitedMs] = [0, 0];
    if (isTaken && waitedMs < periodMs) return true;
    state.isSlow = true;
    outgoing.destroy();
    return false;
  }

  function drained(maxMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const settle = (isTaken: boolean) => {
      clearTimeout(timer);
      outgoing.off('drain', onDrain).off('close', onClose);
      resolve(isTaken);
    };
    const onDrain = () => settle(true);
    const onClose = () => settle(false);
    const timer = setTimeout(() => settle(false), maxMs);
    outgoing.on('drain', onDrain).on('close', onClose);
    return promise;
  }

  return {
    write,
    get isGone() {
      return state.isGone;
    },
    get isSlow() {
      return state.isSlow;
    },
  };
}
