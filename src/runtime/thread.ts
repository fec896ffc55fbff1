import { Worker } from 'node:worker_threads';
import { type Channel, createChannel } from './channel.ts';

/** A thread that answers calls, started with the first and replaced when it died. */
export interface Thread {
  /** Rejects with what the handler threw, and when the thread ends before it has answered. */
  call(method: string, argument?: unknown): Promise<unknown>;
  /** Ends it, at the latest when its current read or write returns. */
  stop(): Promise<void>;
}

/** Keeps the process alive only while a call is open. `entry` is a module that makes a channel on its parentPort. */
export function createThread(options: {
  readonly entry: URL;
  readonly workerData: unknown;
  readonly name: string;
}): Thread {
  const { entry, workerData, name } = options;
  let current: { readonly worker: Worker; readonly channel: Channel } | undefined;
  let stopped = false;
  let open = 0;

  function start() {
    const worker = new Worker(entry, { workerData, name });
    const channel = createChannel(worker, {});
    let cause = '';
    worker.on('error', (error) => {
      cause = `: ${error instanceof Error ? error.message : error}`;
    });
    worker.on('exit', () => {
      if (current?.worker === worker) current = undefined;
      channel.end(stopped ? `the ${name} thread is stopping` : `the ${name} thread died${cause}`);
    });
    return { worker, channel };
  }

  return {
    async call(method, argument) {
      if (stopped) throw new Error(`the ${name} thread is stopping`);
      current ??= start();
      const { worker, channel } = current;
      if (open++ === 0) worker.ref();
      try {
        return await channel.call(method, argument);
      } finally {
        if (--open === 0) worker.unref();
      }
    },
    async stop() {
      stopped = true;
      await current?.worker.terminate();
    },
  };
}

/** An error as it is sent to another thread: its message with those of its causes. */
export function withCauses(error: unknown): Error {
  const messages: string[] = [];
  for (let cause = error; cause !== undefined; cause = cause instanceof Error ? cause.cause : undefined)
    messages.push(cause instanceof Error ? cause.message : String(cause));
  return new Error(messages.join(': '));
}
