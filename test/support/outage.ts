/**
 * An outage that several tests see together, each in three parts: before, while the broker is away, and after. It begins
 * when all that take part are ready for it, and ends when all are done with it and its time is over.
 */
export interface Outage {
  /** Takes part. To be called before anything that takes time, or it begins without this one. */
  join(): OutageMember;
  /** Resolves when the broker is back, or was never taken away. */
  over(): Promise<void>;
}

export interface OutageMember {
  /** Resolves when the broker is away. */
  begin(): Promise<void>;
  /** Resolves when it is back. */
  end(): Promise<void>;
  /** Holds nobody up from now on: for the end of a test, however it ends. */
  leave(): void;
}

export function createOutage(options: {
  takeAway(): Promise<void>;
  bringBack(): Promise<void>;
  /** How long it lasts at least. */
  readonly awayMs: number;
}): Outage {
  const { takeAway, bringBack, awayMs } = options;
  let backAt = 0;
  const away = createStage(async () => {
    await takeAway();
    backAt = performance.now() + awayMs;
  });
  const back = createStage(async () => {
    await away.done;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, backAt - performance.now())));
    await bringBack();
  });
  let joined = 0;
  return {
    join: () => {
      joined++;
      const [begin, end] = [away.enter(), back.enter()];
      const leave = () => void [begin(), end()];
      return { begin, end, leave };
    },
    over: async () => {
      if (joined > 0) await back.done;
    },
  };
}

/** Work that is done once, when all that entered have arrived. */
function createStage(work: () => Promise<void>) {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  // Told to those who wait for it.
  done.catch(() => undefined);
  let missing = 0;
  return {
    done,
    enter: () => {
      missing++;
      let isThere = false;
      return () => {
        if (!isThere && --missing === 0) resolve(work());
        isThere = true;
        return done;
      };
    },
  };
}
