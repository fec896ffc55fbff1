import { type Stats, statSync } from 'node:fs';

/** What stands at a path now, links followed. Undefined where there is nothing, or nothing that may be looked at. Blocks for a few microseconds. */
export function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
