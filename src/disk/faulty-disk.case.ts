import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { diskFileSystem, type FileSystem } from './file-system.ts';

/** The process or the machine died: no later operation does anything. */
class DiedError extends Error {}

/**
 * A disk that dies at the `dieAt`-th operation (0: never). `powerCut` then takes back the bytes that were not synced,
 * file by file. Without it the page cache survives, as after a kill -9. With `shortWrites`, a write stops half way.
 */
export function createFaultyDisk(options: { dieAt: number; shortWrites?: boolean }) {
  const paths = new Map<number, string>();
  const synced = new Map<string, Buffer>();
  const written = new Set<string>();
  let operations = 0;
  let dead = false;

  const step = (): void => {
    operations++;
    if (operations === options.dieAt) dead = true;
    if (dead) throw new DiedError('the disk died');
  };
  const files: FileSystem = {
    ...diskFileSystem,
    async open(path) {
      step();
      const fd = await diskFileSystem.open(path);
      paths.set(fd, path);
      written.add(path);
      return fd;
    },
    close: (fd) => diskFileSystem.close(fd),
    async write(fd, buffers, position) {
      operations++;
      if (operations === options.dieAt || dead) {
        // A dying process may still write a part.
        if (!dead && buffers[0] !== undefined) {
          const part = buffers[0].subarray(0, Math.ceil(buffers[0].length / 2));
          await diskFileSystem.write(fd, [part], position);
        }
        dead = true;
        throw new DiedError('the disk died');
      }
      const first = buffers[0];
      if (options.shortWrites === true && first !== undefined && first.length > 1) {
        return diskFileSystem.write(fd, [first.subarray(0, first.length >> 1)], position);
      }
      return diskFileSystem.write(fd, buffers, position);
    },
    async sync(fd) {
      step();
      const path = paths.get(fd);
      if (path !== undefined) synced.set(path, readFileSync(path));
      await diskFileSystem.sync(fd);
    },
    async syncFolder(path) {
      step();
      await diskFileSystem.syncFolder(path);
    },
    async truncate(path, length) {
      step();
      written.add(path);
      await diskFileSystem.truncate(path, length);
    },
    async truncateOpen(fd, length) {
      step();
      await diskFileSystem.truncateOpen(fd, length);
    },
    async rename(from, to) {
      step();
      await diskFileSystem.rename(from, to);
      const content = synced.get(from);
      if (content === undefined) synced.delete(to);
      else synced.set(to, content);
      synced.delete(from);
      if (written.delete(from)) written.add(to);
    },
    async remove(path) {
      step();
      await diskFileSystem.remove(path);
    },
    async removeFolder(path) {
      step();
      await diskFileSystem.removeFolder(path);
    },
  };
  return {
    files,
    operations: () => operations,
    isDead: () => dead,
    /** Leaves the files as a machine finds them when its power is back. */
    powerCut() {
      for (const path of written) {
        // A deletion counts as on disk, though nobody synced it: that is the worse case.
        if (!existsSync(path)) continue;
        const content = synced.get(path);
        if (content !== undefined) writeFileSync(path, content);
        else rmSync(path);
      }
    },
  };
}
