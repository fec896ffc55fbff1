import { Worker } from 'node:worker_threads';

/** Watches that checks end. A check that loops for ever would stop this thread, so another thread watches. */
export interface Watchdog {
  /** A check of this input begins. */
  begin(target: string, input: Buffer): void;
  close(): Promise<void>;
}

const MAX_INPUT_BYTES = 1024 * 1024;
const TICK_MS = 1_000;

/** Without a `begin` for `hangMs`, writes the last input to `path` and ends the process with status 1. */
export function createWatchdog({ hangMs, path }: { readonly hangMs: number; readonly path: string }): Watchdog {
  const state = new Int32Array(new SharedArrayBuffer(8));
  const bytes = new Uint8Array(new SharedArrayBuffer(MAX_INPUT_BYTES));
  const worker = new Worker(WATCH, { eval: true, workerData: { state, bytes, hangMs, path, tickMs: TICK_MS } });
  worker.unref();
  return {
    begin(target, input) {
      const text = Buffer.from(`${target}\n`);
      const length = Math.min(MAX_INPUT_BYTES, text.length + input.length);
      bytes.set(text);
      bytes.set(input.subarray(0, length - text.length), text.length);
      Atomics.store(state, 1, length);
      Atomics.add(state, 0, 1);
    },
    close: async () => void (await worker.terminate()),
  };
}

const WATCH = `
const { workerData: { state, bytes, hangMs, path, tickMs } } = require('node:worker_threads');
let seen = -1;
let still = 0;
setInterval(() => {
  const begun = Atomics.load(state, 0);
  still = begun === seen ? still + tickMs : 0;
  seen = begun;
  if (still < hangMs || begun === 0) return;
  const all = Buffer.from(bytes.subarray(0, Atomics.load(state, 1)));
  const at = all.indexOf(10);
  require('node:fs').writeFileSync(path, all.subarray(at + 1));
  require('node:fs').writeSync(2, all.subarray(0, at) + ': a check does not end; its input is in ' + path + '\\n');
  process.kill(process.pid, 'SIGKILL');
}, tickMs);
`;
