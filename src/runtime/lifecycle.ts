import type { Log } from '../log.ts';

/** A part of the service that runs, and how it is stopped. */
interface Part {
  readonly name: string;
  /** Resolves when the part is at rest; gets the milliseconds that are left for it. */
  readonly stop: (budgetMs: number) => Promise<void>;
}

/**
 * What was started, to be stopped in reverse: parts are added downstream first, so that each, when it stops, still has
 * someone to hand to. All of a stop has one budget; a part that outlives it is named in the log and left behind, and
 * the parts below it still get their turn.
 */
export interface Lifecycle {
  started(name: string, stop: Part['stop']): void;
  /** Resolves true when every part came to rest in time. A second call waits for the first. */
  stop(budgetMs: number): Promise<boolean>;
}

/** What every part gets, however late it is: closing files takes no longer. */
const LEAST_BUDGET_MS = 2_000;

export function createLifecycle(log: Log): Lifecycle {
  const parts: Part[] = [];
  let stopping: Promise<boolean> | undefined;

  const stopPart = async ({ name, stop }: Part, budgetMs: number): Promise<boolean> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not at rest after ${Math.round(budgetMs)} ms`)), budgetMs);
    });
    try {
      await Promise.race([stop(budgetMs), late]);
      return true;
    } catch (err) {
      log.error('cannot stop a part in order', { part: name, err });
      return false;
    } finally {
      clearTimeout(timer);
    }
  };

  const stopAll = async (budgetMs: number): Promise<boolean> => {
    const deadline = performance.now() + budgetMs;
    let clean = true;
    for (const part of parts.toReversed()) {
      const left = Math.max(deadline - performance.now(), LEAST_BUDGET_MS);
      clean = (await stopPart(part, left)) && clean;
    }
    return clean;
  };

  return {
    started(name, stop) {
      parts.push({ name, stop });
    },
    stop(budgetMs) {
      stopping ??= stopAll(budgetMs);
      return stopping;
    },
  };
}
