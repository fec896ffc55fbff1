import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

/*
 * A preload, `node --import`: on SIGUSR2 every thread collects its garbage. V8 lets a heap grow for minutes before it collects all of it, the
 * more the larger its limit is, so that memory which is only not collected yet looks like a leak. What stays after this is in use.
 */
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/** Twice: memory of buffers and of weak references goes after the first time. */
const AGAIN_MS = 200;

const threads = new BroadcastChannel('collect garbage');
threads.unref();
threads.onmessage = collectTwice;

function collectTwice(): void {
  collect();
  setTimeout(collect, AGAIN_MS).unref();
}

if (isMainThread) {
  process.on('SIGUSR2', () => {
    threads.postMessage('');
    collectTwice();
  });
}
