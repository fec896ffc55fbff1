import { openSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/*
 * A preload with a leak, `node --import`: SOAK_LEAK_MB (1) megabytes and one descriptor a second. The verdict of the soak test must find it:
 *
 *   NODE_OPTIONS=--import=$PWD/test/soak/leak.ts
 */
const bytes = Number(process.env.SOAK_LEAK_MB ?? 1) * 1_000_000;
const kept: unknown[] = [];

if (isMainThread) {
  setInterval(() => {
    kept.push(Buffer.alloc(bytes, 1), openSync('/dev/null', 'r'));
  }, 1_000).unref();
}
