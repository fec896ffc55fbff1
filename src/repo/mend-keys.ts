import { closeSync, fdatasyncSync, openSync, readFileSync, renameSync, rmSync, writevSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncPathSync } from '../disk/folders.ts';
import type { LogScan } from '../disk/scan-log.ts';
import { encodeEntry, sealEntry } from '../disk/write-ahead-log.ts';

/**
 * Writes a damaged file of keys or answers again with the entries that can be read, so that the next start finds no damage in it.
 * Deletes it when there are none.
 */
export function mendKeyFile(path: string, scan: (bytes: Buffer) => LogScan): void {
  const { entries } = scan(readFileSync(path));
  if (entries.length === 0) {
    rmSync(path);
    syncPathSync(dirname(path));
    return;
  }
  const temporary = `${path}.mended`;
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, 'wx', 0o640);
  try {
    for (const { meta, data } of entries) {
      const entry = encodeEntry(meta, [data]);
      sealEntry(entry);
      writevSync(fd, entry.buffers);
    }
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncPathSync(dirname(path));
}
