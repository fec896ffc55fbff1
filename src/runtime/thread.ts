import { Worker } from 'node:worker_threads';
import { type Channel, createChannel, type Remote, toRemote } from './channel.ts';

/** A thread that answers calls. It starts with the first call and is replaced when it died. */
export interface Thread<Calls> {
  /** A call rejects with what the handler threw, and when the thread ends before it has answered. */
  readonly remote: Remote<Calls>;
  /** Ends it, at the latest when its current read or write returns. */
  stop(): Promise<void>;
}

interface Running {
  readonly worker: Worker;
  readonly channel: Channel<AnyCalls>;
}

/** Calls by name: what they take and give is known to the interface of the thread's calls alone. */
type AnyCalls = Record<string, (argument: unknown) => unknown>;

/** Keeps the process alive only while a call is open. `entry` is a module that makes a channel on its parentPort. */
export function createThread<Calls>(options: {
  readonly entry: URL;
  readonly workerData: unknown;
  readonly name: string;
  /** How large its heap may become. Absent: as large as V8 chooses. */
  readonly heapMiB?: number | undefined;
}): Thread<Calls> {
  const { entry, workerData, name, heapMiB } = options;
  let current: Running | undefined;
  let stopped = false;
  let open = 0;

  function start(): Running {
    const worker = new Worker(entry, {
      workerData,
      name,
      ...(heapMiB !== undefined && { resourceLimits: { maxOldGenerationSizeMb: heapMiB } }),
    });
    const channel = createChannel<AnyCalls>(worker);
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

  async function call(method: string, argument: unknown): Promise<unknown> {
    if (stopped) throw new Error(`the ${name} thread is stopping`);
    current ??= start();
    const { worker, channel } = current;
    if (open++ === 0) worker.ref();
    try {
      return await channel.remote[method]?.(argument);
    } finally {
      if (--open === 0) worker.unref();
    }
  }

  return {
    remote: toRemote<Calls>(call),
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
