import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';

/**
 * What a program that follows files writes itself: these files, with those beside them, and all that stands in them where they are folders. Else a pattern that matches them would make it read what it wrote, for ever.
 */
export function createExclusion(written: readonly string[]): (path: string) => boolean {
  const own = written.map(canonical);
  return (path) => {
    const real = canonical(path);
    return own.some((one) => BESIDE.some((ending) => real === one + ending) || real.startsWith(one + sep));
  };
}

/** Of the lock, and of a file that will replace another. */
const BESIDE = ['', '.lock', '.lock-journal', '.tmp'];

/** Without the symbolic links in its folder. The file itself may not be there yet. */
function canonical(path: string): string {
  const whole = resolve(path);
  try {
    return join(realpathSync(dirname(whole)), basename(whole));
  } catch {
    return whole;
  }
}
