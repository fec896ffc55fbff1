/**
 * An outage that several tests share. Each test has three parts: before, while the broker is unavailable, and after. The
 * outage begins when all members are ready. It ends when all members are done and its time is over.
 */
export interface Outage {
  /** Adds a member. Call it before any work that takes time, or the outage begins without the member. */
  join(): OutageMember;
  /** Resolves when the broker is available again, or has always been. */
  over(): Promise<void>;
}

export interface OutageMember {
  /** Resolves when the broker is unavailable. */
  begin(): Promise<void>;
  /** Resolves when it is available again. */
  end(): Promise<void>;
  /** The others no longer wait for this member. For the end of a test, passed or failed. */
  leave(): void;
}

export function createOutage(options: {
  stopBroker(): Promise<void>;
  restartBroker(): Promise<void>;
  /** The shortest length of the outage. */
  readonly leastMs: number;
}): Outage {
  const { stopBroker, restartBroker, leastMs } = options;
  let endsAt = 0;
  const unavailable = createStage(async () => {
    await stopBroker();
    endsAt = performance.now() + leastMs;
  });
  const available = createStage(async () => {
    await unavailable.done;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, endsAt - performance.now())));
    await restartBroker();
  });
  let joined = 0;
  return {
    join: () => {
      joined++;
      const [begin, end] = [unavailable.enter(), available.enter()];
      const leave = () => void [begin(), end()];
      return { begin, end, leave };
    },
    over: async () => {
      if (joined > 0) await available.done;
    },
  };
}

/** Work that is done once, when all members have arrived. */
function createStage(work: () => Promise<void>) {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  // Members get the error when they wait.
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
