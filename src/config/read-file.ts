import { closeSync, openSync, readSync } from 'node:fs';

/** The bytes of a file or a pipe; undefined when there are more than `maxBytes`. No more than that is ever read. */
export function readFileUpTo(file: string, maxBytes: number): Buffer | undefined {
  const fd = openSync(file, 'r');
  try {
    const parts: Buffer[] = [];
    let bytes = 0;
    while (bytes <= maxBytes) {
      const part = Buffer.allocUnsafe(Math.min(64 * 1024, maxBytes + 1 - bytes));
      const read = readSync(fd, part);
      if (read === 0) return Buffer.concat(parts, bytes);
      parts.push(part.subarray(0, read));
      bytes += read;
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
}
