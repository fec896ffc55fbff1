import { mkdirSync, writeFileSync } from 'node:fs';
import { type HeapProfiler, Session } from 'node:inspector';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CPUProfileHandle, type HeapProfileHandle, startCpuProfile } from 'node:v8';
import type { Worker } from 'node:worker_threads';
import type { Log } from '../log.ts';
import { renderSnapshot, type Snapshot, takeSnapshot } from './snapshot.ts';

/*
 * Profiles of this process, thread by thread, in the formats that Chrome's developer tools and speedscope read:
 *
 *   .cpuprofile    https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile
 *   .heapprofile   https://chromedevtools.github.io/devtools-protocol/tot/HeapProfiler/#type-SamplingHeapProfile
 *
 * A heap profile shows where the live objects were allocated: those of the main thread since the profiler was made, those
 * of another thread since its profile was last read, because V8 gives out that one only by ending it.
 */

export interface Profiler {
  /** `main` first, then the threads that run now: `http-worker`, `http-worker-2`, `aggregator`. */
  threads(): readonly string[];
  /** Samples one thread for `ms` milliseconds, less when `signal` aborts. */
  cpu(options: { readonly thread: string; readonly ms: number; readonly signal: AbortSignal }): Promise<string>;
  heap(thread: string): Promise<string>;
  /** What every thread runs, and what it waits for. */
  snapshot(): Promise<Snapshot>;
  /** CPU profiles of every thread from now on, those that start later included. One at a time. */
  capture(options: { readonly dir: string; readonly name: string }): Capture;
  close(): void;
}

/**
 * Writes `cpu_<name>.cpuprofile` and `heap_<name>.heapprofile`, for each other thread `cpu_<name>.<thread>.…`, and
 * `goroutine_<name>.txt`, what all threads ran and waited for before they ended. Files of an earlier capture of that name are replaced.
 */
export interface Capture {
  /** Writes the snapshot, then the profiles of the other threads, which end before the main one does. Never rejects. */
  writeThreads(): Promise<void>;
  /** Writes those of the main thread. Synchronous, so that it can be the last act of the process. Once; never throws. */
  writeMain(): void;
}

/** One sample a millisecond. So many samples are kept in order, an hour's worth; all are counted. */
const CPU_OPTIONS = { sampleInterval: 1, maxBufferSize: 3_600_000 } as const;
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
    const warn = (err: unknown) => log.warn('cannot profile a thread', { thread: name, err });
    workers.set(name, thread);
    worker.once('online', () => void startThread(thread, capturing).catch(warn));
    worker.once('exit', () => workers.delete(name));
  };
  process.on('worker', watch);

  const find = (name: string): Thread => {
    const thread = workers.get(name);
    if (thread === undefined) throw new Error(`no such thread: ${JSON.stringify(name)}`);
    return thread;
  };

  const cpu: Profiler['cpu'] = async ({ thread, ms, signal }) => {
    const running =
      thread === 'main' ? startCpuProfile(CPU_OPTIONS) : await find(thread).worker.startCpuProfile(CPU_OPTIONS);
    await sleep(ms, undefined, { signal }).catch(() => undefined);
    return mendNames(await running.stop());
  };
  const snapshot = (): Promise<Snapshot> => {
    const ids = Array.from(workers, ([name, { worker }]) => [name, worker.threadId] as const);
    return takeSnapshot({ threads: new Map([['main', 0], ...ids]), cpu });
  };

  return {
    threads: () => ['main', ...workers.keys()],
    cpu,
    snapshot,

    heap: async (name) => (name === 'main' ? mainHeap.read() : readThreadHeap(find(name))),

    capture({ dir, name }) {
      const onThreads = (): void => {
        capturing = false;
      };
      const capture = startCapture({ dir, name, workers, mainHeap, snapshot, log, onThreads });
      capturing = true;
      return capture;
    },

    close() {
      process.off('worker', watch);
      mainHeap.close();
    },
  };
}

function startCapture(parts: {
  readonly dir: string;
  readonly name: string;
  readonly workers: ReadonlyMap<string, Thread>;
  readonly mainHeap: MainHeap;
  readonly snapshot: () => Promise<Snapshot>;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Threads that start from then on are not captured. */
  readonly onThreads: () => void;
}): Capture {
  const { dir, name, workers, mainHeap, snapshot, log, onThreads } = parts;
  mkdirSync(dir, { recursive: true });
  const main = startCpuProfile(CPU_OPTIONS);
  let written = false;

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
      onThreads();
      const warn = (thread: string) => (err: unknown) =>
        log.warn('cannot write the profile of a thread', { dir, thread, err });
      await snapshot()
        .then((taken) => write(`goroutine_${name}.txt`, renderSnapshot(taken)))
        .catch(warn('all'));
      await Promise.all(Array.from(workers, ([label, thread]) => writeThread(label, thread).catch(warn(label))));
    },
    writeMain() {
      if (written) return;
      written = true;
      try {
        write(`cpu_${name}.cpuprofile`, mendNames(main.stop()));
        write(`heap_${name}.heapprofile`, mainHeap.read());
      } catch (err) {
        log.warn('cannot write a profile', { dir, thread: 'main', err });
      }
    },
  };
}

/** V8 does not escape names: that of a regular expression with a backslash or a quote in it makes the profile invalid JSON. */
export function mendNames(profile: string): string {
  try {
    JSON.parse(profile);
    return profile;
  } catch {
    const whole = (_: string, name: string) => `"functionName":${JSON.stringify(name)},"lineNumber":`;
    return profile.replace(/"functionName":"(.*?)","lineNumber":/gs, whole);
  }
}

/** A number tells threads of one name apart. */
function freeName(base: string, taken: ReadonlyMap<string, unknown>): string {
  if (base !== 'main' && !taken.has(base)) return base;
  let number = 2;
  while (taken.has(`${base}-${number}`)) number++;
  return `${base}-${number}`;
}

async function startThread(thread: Thread, capturing: boolean): Promise<void> {
  if (capturing) {
    thread.cpu = await thread.worker.startCpuProfile(CPU_OPTIONS);
  }
  thread.heap = await thread.worker.startHeapProfile();
}

async function readThreadHeap(thread: Thread): Promise<string> {
  const { heap } = thread;
  thread.heap = undefined;
  if (heap === undefined)
    throw new Error('cannot read the heap of this thread: it is being read already, or the thread has only begun');
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

interface MainHeap {
  read(): string;
  close(): void;
}

/** Within one thread the inspector answers before `post` returns, and can read a profile without ending it. */
function startMainHeap(): MainHeap {
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
