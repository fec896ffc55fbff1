import { diskFileSystem, type FileSystem } from '../../src/disk/file-system.ts';
import { openPipeline } from './pipeline.ts';

/*
 * A process that consumes into the folder `dir` and kills itself (kill -9) directly after its `dieAfter`-th disk operation,
 * before the caller gets the result. Its environment says what it consumes.
 *
 *   node mortal-consumer.ts <dir> <dieAfter>
 */

const [dir = '', dieAfter = ''] = process.argv.slice(2);
let left = Number(dieAfter);
let isCounting = false;

/** Settles with the operation, unless it is the last one. */
function lived<T>(operation: Promise<T>): Promise<T> {
  return operation.finally(() => {
    if (isCounting && --left === 0) process.kill(process.pid, 'SIGKILL');
  });
}

const files: FileSystem = {
  ...diskFileSystem,
  open: (path) => lived(diskFileSystem.open(path)),
  close: (fd) => lived(diskFileSystem.close(fd)),
  write: (fd, buffers, position) => lived(diskFileSystem.write(fd, buffers, position)),
  sync: (fd) => lived(diskFileSystem.sync(fd)),
  syncFolder: (path) => lived(diskFileSystem.syncFolder(path)),
  truncate: (path, length) => lived(diskFileSystem.truncate(path, length)),
};

const env = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value = '']) => (name.startsWith('LOGFORGE_') ? [[name, value]] : [])),
);
await openPipeline({ dir, env, files });
isCounting = true;
