import { mkdirSync, writeFileSync } from 'node:fs';
import { type HeapProfiler, Session } from 'node:inspector';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CPUProfileHandle, type HeapProfileHandle, startCpuProfile } from 'node:v8';
import type { Worker } from 'node:worker_threads';
import type { Log } from '../log.ts';

/*
 * Profiles of this process, thread by thread, in the formats that Chrome's developer tools and speedscope read:
 *
 *   .cpuprofile    https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile
 *   .heapprofile   https://chromedevtools.github.io/devtools-protocol/tot/HeapProfiler/#type-SamplingHeapProfile
 *
 * A heap profile shows where what is alive was allocated: of the main thread since the profiler was made, of another
 * thread since it was last looked at, because V8 can show that one only by ending it.
 */

export interface Profiler {
  /** `main` first, then the threads that run now: `http-worker`, `http-worker-2`, `aggregator`. */
  threads(): readonly string[];
  /** Samples one thread for `ms` milliseconds, less when `signal` aborts. */
  cpu(options: { readonly thread: string; readonly ms: number; readonly signal: AbortSignal }): Promise<string>;
  heap(thread: string): Promise<string>;
  /** CPU profiles of every thread from now on, those that start later included. One at a time. */
  capture(options: { readonly dir: string; readonly name: string }): Capture;
  close(): void;
}

/**
 * Writes `cpu_<name>.cpuprofile` and `heap_<name>.heapprofile`, those of other threads as `cpu_<name>.<thread>.…`; files
 * of an earlier capture of that name are replaced.
 */
export interface Capture {
  /** Writes the profiles of the other threads, which end before the main one does. Never rejects. */
  writeThreads(): Promise<void>;
  /** Writes those of the main thread. Synchronous, so that it can be the last act of the process. Once; never throws. */
  writeMain(): void;
}

/** One sample a millisecond. Of a capture's samples so many are kept in order, an hour's worth; all are counted. */
const SAMPLE_MS = 1;
const MAX_SAMPLES = 3_600_000;
/** A thread that does not answer in this time, because it is busy or gone, has no profile. */
const THREAD_TIMEOUT_MS = 3_000;

interface Thread {
  readonly worker: Worker;
  heap: HeapProfileHandle | undefined;
  /** Set while a capture runs. */
  cpu: CPUProfileHandle | undefined;
}

/** Watches every thread that starts from now on. */
export function createProfiler({ log }: { readonly log: Pick<Log, 'info' | 'warn'> }): Profiler {
  const workers = new Map<string, Thread>();
  const mainHeap = startMainHeap();
  let capturing = false;

  const watch = (worker: Worker): void => {
    const thread: Thread = { worker, heap: undefined, cpu: undefined };
    const name = freeName(worker.threadName || 'worker', workers);
    workers.set(name, thread);
    worker.once('online', () => void startThread(thread, capturing).catch(warn('cannot profile a thread', name)));
    worker.once('exit', () => workers.delete(name));
  };
  const warn = (message: string, thread: string) => (err: unknown) => log.warn(message, { thread, err });
  process.on('worker', watch);

  const find = (name: string): Thread => {
    const thread = workers.get(name);
    if (thread === undefined) throw new Error(`there is no thread ${JSON.stringify(name)}`);
    return thread;
  };

  return {
    threads: () => ['main', ...workers.keys()],

    async cpu({ thread, ms, signal }) {
      const options = { sampleInterval: SAMPLE_MS, maxBufferSize: MAX_SAMPLES };
      const running = thread === 'main' ? startCpuProfile(options) : await find(thread).worker.startCpuProfile(options);
      await sleep(ms, undefined, { signal }).catch(() => undefined);
      return mendNames(await running.stop());
    },

    heap: async (name) => (name === 'main' ? mainHeap.read() : readThreadHeap(find(name))),

    capture({ dir, name }) {
      mkdirSync(dir, { recursive: true });
      const main = startCpuProfile({ sampleInterval: SAMPLE_MS, maxBufferSize: MAX_SAMPLES });
      let written = false;
      capturing = true;
      const write = (file: string, text: string): void => {
        const path = join(dir, file);
        writeFileSync(path, text);
        log.info('wrote a profile', { path });
      };
      const writeThread = async (label: string, thread: Thread): Promise<void> => {
        const { cpu } = thread;
        thread.cpu = undefined;
        if (cpu !== undefined) write(`cpu_${name}.${label}.cpuprofile`, mendNames(await inTime(cpu.stop())));
        write(`heap_${name}.${label}.heapprofile`, await inTime(readThreadHeap(thread)));
      };
      return {
        async writeThreads() {
          capturing = false;
          const all = [...workers].map(([label, thread]) =>
            writeThread(label, thread).catch(warn('cannot write the profile of a thread', label)),
          );
          await Promise.all(all);
        },
        writeMain() {
          if (written) return;
          written = true;
          try {
            write(`cpu_${name}.cpuprofile`, mendNames(main.stop()));
            write(`heap_${name}.heapprofile`, mainHeap.read());
          } catch (err) {
            warn('cannot write a profile', 'main')(err);
          }
        },
      };
    },

    close() {
      process.off('worker', watch);
      mainHeap.close();
    },
  };
}

/** V8 writes names as they are, so that one of a regular expression, with a backslash or a quote in it, makes the profile no JSON. */
export function mendNames(profile: string): string {
  try {
    JSON.parse(profile);
    return profile;
  } catch {
    const whole = (_: string, name: string) => `"functionName":${JSON.stringify(name)},"lineNumber":`;
    return profile.replace(/"functionName":"(.*?)","lineNumber":/gs, whole);
  }
}

/** Two threads of one name are told apart by a number. */
function freeName(base: string, taken: ReadonlyMap<string, unknown>): string {
  if (base !== 'main' && !taken.has(base)) return base;
  let number = 2;
  while (taken.has(`${base}-${number}`)) number++;
  return `${base}-${number}`;
}

async function startThread(thread: Thread, capturing: boolean): Promise<void> {
  if (capturing) {
    thread.cpu = await thread.worker.startCpuProfile({ sampleInterval: SAMPLE_MS, maxBufferSize: MAX_SAMPLES });
  }
  thread.heap = await thread.worker.startHeapProfile();
}

async function readThreadHeap(thread: Thread): Promise<string> {
  const { heap } = thread;
  thread.heap = undefined;
  if (heap === undefined) throw new Error('the heap of this thread is being looked at, or the thread only begins');
  const profile = await heap.stop();
  thread.heap = await thread.worker.startHeapProfile().catch(() => undefined);
  return profile;
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = sleep(THREAD_TIMEOUT_MS, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`no answer after ${THREAD_TIMEOUT_MS} ms`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined);
  }
}

/** Within one thread the inspector answers before `post` returns, and can look without ending the profile. */
function startMainHeap(): { read(): string; close(): void } {
  const session = new Session();
  session.connect();
  session.post('HeapProfiler.startSampling');
  return {
    read() {
      let profile: HeapProfiler.SamplingHeapProfile | undefined;
      session.post('HeapProfiler.getSamplingProfile', (error, result) => {
        if (error === null) profile = result.profile;
      });
      if (profile === undefined) throw new Error('cannot read the heap profile');
      return JSON.stringify(profile);
    },
    close: () => session.disconnect(),
  };
}
