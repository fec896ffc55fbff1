import * as fs from 'node:fs';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { makeFolderSync } from '../disk/folders.ts';

/** A text up to this length stays in memory. */
const MAX_BYTES = 1024 * 1024;
const FILE_MODE = 0o600;

/**
 * Keeps large answers in temporary files, `<analyticsDir>/.answers/`: a client may read as slowly as it likes, and takes no memory. Whoever
 * opens the file removes its name. What a killed process left is removed before the first one is written. Blocks the thread.
 */
export function createAnswerFiles({ analyticsDir }: { readonly analyticsDir: string }) {
  const folder = join(analyticsDir, '.answers');
  let count = 0;

  function write(path: string, first: Buffer, rest: Iterator<string>): number {
    const fd = fs.openSync(path, 'wx', FILE_MODE);
    try {
      let bytes = first.length;
      fs.writeFileSync(fd, first);
      for (let next = rest.next(); next.done !== true; next = rest.next()) {
        bytes += Buffer.byteLength(next.value);
        fs.writeFileSync(fd, next.value);
      }
      return bytes;
    } catch (error) {
      fs.rmSync(path, { force: true });
      throw error;
    } finally {
      fs.closeSync(fd);
    }
  }

  return function keepText(pieces: Iterable<string>) {
    const rest = pieces[Symbol.iterator]();
    const buffers: Buffer[] = [];
    let length = 0;
    for (let next = rest.next(); ; next = rest.next()) {
      if (next.done === true) return { kind: 'bytes', bytes: Buffer.concat(buffers) } as const;
      const bytes = Buffer.from(next.value);
      buffers.push(bytes);
      length += bytes.length;
      if (length > MAX_BYTES) break;
    }
    const path = join(folder, `${process.pid}-${threadId}-${count}.tmp`);
    try {
      if (count === 0) fs.rmSync(folder, { recursive: true, force: true });
      count += 1;
      makeFolderSync(folder, false);
      return { kind: 'file', path, bytes: write(path, Buffer.concat(buffers), rest), temporary: true } as const;
    } catch (error) {
      throw new Error(`cannot write an answer path=${path}`, { cause: error });
    }
  };
}
