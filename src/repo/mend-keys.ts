import { closeSync, fdatasyncSync, openSync, readFileSync, renameSync, rmSync, writevSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncPathSync } from '../disk/folders.ts';
import { encodeEntry, sealEntry } from '../disk/write-ahead-log.ts';
import { scanKeys } from './key-files.ts';

/** Writes a damaged key file again with the entries that can be read, so that the next start finds no damage in it. */
export function mendKeyFile(path: string): void {
  const { entries } = scanKeys(readFileSync(path));
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
