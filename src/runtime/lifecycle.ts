import type { Log } from '../log.ts';

/** A part of the service that runs, and how it is stopped. */
interface Part {
  readonly name: string;
  /** Resolves when the part is at rest; gets the milliseconds that are left for it. */
  readonly stop: (budgetMs: number) => Promise<void>;
}

/**
 * The parts that run, to be stopped in reverse. They are added downstream first: so a part that stops can still hand over to
 * the next. A whole stop has one budget. A part that takes longer is named in the log and not waited for; the parts
 * downstream of it are still stopped.
 */
export interface Lifecycle {
  started(name: string, stop: Part['stop']): void;
  /** Resolves true when every part came to rest in time. A second call waits for the first. */
  stop(budgetMs: number): Promise<boolean>;
}

/** Every part gets this much, however late it is: closing files takes no longer. */
const LEAST_BUDGET_MS = 2_000;

export function createLifecycle(log: Log): Lifecycle {
  const parts: Part[] = [];
  let stopping: Promise<boolean> | undefined;

  const stopPart = async ({ name, stop }: Part, budgetMs: number): Promise<boolean> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`still running after ${Math.round(budgetMs)} ms`)), budgetMs);
    });
    try {
      await Promise.race([stop(budgetMs), late]);
      return true;
    } catch (err) {
      log.error('a part did not stop in time', { part: name, err });
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
