/**
 * What the disk takes without a service: writes blocks one after the other to a new file, with a sync after each or with none. One JSON
 * object on stdin, one on stdout; sustained.ts starts it.
 *
 * In Node.js, not in C: a block is one write and one fdatasync either way, and not every machine has a compiler. With blocks of 1.4 MB
 * three runs of each in turn gave 208 to 282 MB/s in C and 244 to 380 here, with the same CPU time a gigabyte.
 */
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { text } from 'node:stream/consumers';

export interface CeilingInput {
  /** The file; it is deleted at the end. */
  readonly path: string;
  readonly blockBytes: number;
  /** Bytes before the measured ones. */
  readonly afterBytes: number;
  readonly bytes: number;
  readonly syncs: boolean;
}

export interface CeilingOutput {
  /** Measured bytes: whole blocks. */
  readonly bytes: number;
  readonly seconds: number;
  /** CPU seconds of this process, user and system, in the measured time. */
  readonly cpuSeconds: number;
}

const { path, blockBytes, afterBytes, bytes, syncs } = JSON.parse(await text(process.stdin)) as CeilingInput;
const block = Buffer.alloc(blockBytes, '{"timestamp":"2015-05-17T10:05:03Z","path":"/","userAgent":"Mozilla/5.0"}\n');
const fd = openSync(path, 'wx', 0o640);
try {
  let written = writeBlocks(afterBytes);
  const start = performance.now();
  const before = process.cpuUsage();
  written = writeBlocks(bytes);
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - start) / 1000;
  const output: CeilingOutput = { bytes: written, seconds, cpuSeconds: (user + system) / 1e6 };
  process.stdout.write(`${JSON.stringify(output)}\n`);
} finally {
  closeSync(fd);
  rmSync(path);
}

/** Appends blocks until at least so many bytes are written. Gives how many. */
function writeBlocks(atLeast: number): number {
  let written = 0;
  while (written < atLeast) {
    for (let from = 0; from < block.length; ) from += writeSync(fd, block, from);
    written += block.length;
    if (syncs) fdatasyncSync(fd);
  }
  return written;
}
