import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';

/** The absolute path without symbolic links. Of what is not there, the absolute path. */
export function canonicalPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
