import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../../src/log.ts';

/** Memory, where there is such a folder: syncs cost nothing there. */
const PARENT = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const made = new Set<string>();
process.once('exit', () => made.forEach(removeTemporaryFolder));

/** A folder that the end of the process removes, when nobody has removed it before. */
export function makeTemporaryFolder(name: string): string {
  const folder = mkdtempSync(join(PARENT, `logforge-fuzz-${name}-`));
  made.add(folder);
  return folder;
}

export function removeTemporaryFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  made.delete(folder);
}

/** A log that keeps the warnings and errors. */
export function keepLog(): { readonly log: Log; readonly said: string[] } {
  const said: string[] = [];
  const say = (message: string) => void said.push(message);
  const nothing = () => undefined;
  const log: Log = {
    trace: nothing,
    debug: nothing,
    info: nothing,
    warn: say,
    error: say,
    fatal: say,
    child: () => log,
  };
  return { log, said };
}
