import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** The paths that `work` synced by the calls that block. */
export function syncedBy(work: () => void): string[] {
  const { fsyncSync } = fs;
  const synced: string[] = [];
  fs.fsyncSync = (fd) => {
    synced.push(fs.readlinkSync(`/proc/self/fd/${fd}`));
    fsyncSync(fd);
  };
  syncBuiltinESMExports();
  try {
    work();
    return synced;
  } finally {
    fs.fsyncSync = fsyncSync;
    syncBuiltinESMExports();
  }
}
