/** So many at once; others wait, in the order in which they came. */
export interface Turns {
  /** Resolves with true once it is the caller's turn, who then calls `done`. False: too many wait, or it took too long. */
  take(): Promise<boolean>;
  done(): void;
}

export interface TurnsOptions {
  readonly atOnce: number;
  readonly maxWaiting: number;
  /** Looked at when a turn ends, so a little more is possible. */
  readonly maxWaitMs: number;
  readonly now?: () => number;
}

interface Waiter {
  readonly since: number;
  readonly settle: (isTurn: boolean) => void;
}

export function createTurns(options: TurnsOptions): Turns {
  const { atOnce, maxWaiting, maxWaitMs, now = () => performance.now() } = options;
  const waiting: Waiter[] = [];
  let taken = 0;
  return {
    take() {
      if (taken < atOnce) {
        taken++;
        return Promise.resolve(true);
      }
      if (waiting.length >= maxWaiting) return Promise.resolve(false);
      return new Promise((settle) => void waiting.push({ since: now(), settle }));
    },
    done() {
      const oldest = now() - maxWaitMs;
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const isTurn = next.since >= oldest;
        next.settle(isTurn);
        if (isTurn) return;
      }
      taken--;
    },
  };
}
