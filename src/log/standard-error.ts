import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { isMainThread } from 'node:worker_threads';

export interface LineWriterOptions {
  /** Writes as many bytes as fit now, and throws EAGAIN when none do. Returns how many. */
  readonly writeSome: (bytes: Uint8Array) => number;
  /** Called for each line that is dropped. */
  readonly onDropped: () => void;
  /** Called when the reader reads again, with the lines that were dropped since it stopped. */
  readonly onCaughtUp: (dropped: number) => void;
  /** Of lines that wait for the reader. */
  readonly maxBytes?: number;
}

const MAX_BYTES = 1024 * 1024;
/** Beyond `maxBytes`, for urgent lines. */
const URGENT_BYTES = 256 * 1024;
/** How often a reader that stopped is tried again, in milliseconds. */
const RETRY_MS = 50;

/**
 * A line is out when `write` returns, as long as the reader keeps up. When it does not, lines wait in memory up to
 * `maxBytes`; further ones are dropped and counted. A reader that is gone (EPIPE) drops lines, too.
 */
export class LineWriter {
  readonly #options: LineWriterOptions;
  readonly #maxBytes: number;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  /** A retry is due. */
  #isDue = false;

  constructor(options: LineWriterOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
  }

  write(line: string): void {
    this.#write(line, this.#maxBytes);
  }

  /** Keeps the line even when the memory for lines is full. */
  writeUrgent(line: string): void {
    this.#write(line, this.#maxBytes + URGENT_BYTES);
  }

  /** Writes what fits. False when lines still wait. */
  flush(): boolean {
    const waiting = this.#waiting;
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      const rest = this.#tryWrite(first);
      this.#waitingBytes -= first.length - (rest?.length ?? 0);
      if (rest === undefined) waiting.shift();
      else waiting[0] = rest;
      if (rest?.length === first.length) return false;
    }
    return true;
  }

  #write(line: string, limit: number): void {
    const bytes = Buffer.from(line);
    const rest = this.#waiting.length === 0 ? this.#tryWrite(bytes) : bytes;
    if (rest === undefined) return;
    // The rest of a line that has begun is always kept.
    if (rest === bytes && this.#waitingBytes + rest.length > limit) {
      this.#drop();
      return;
    }
    this.#waiting.push(rest);
    this.#waitingBytes += rest.length;
    this.#retrySoon();
  }

  /** What is left of the bytes: undefined when they are out, or cannot be written at all. */
  #tryWrite(bytes: Uint8Array): Uint8Array | undefined {
    try {
      const written = this.#options.writeSome(bytes);
      return written < bytes.length ? bytes.subarray(written) : undefined;
    } catch (error) {
      if (isFull(error)) return bytes;
      this.#drop();
      return undefined;
    }
  }

  #drop(): void {
    this.#dropped++;
    this.#options.onDropped();
  }

  #retrySoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(this.#retry, RETRY_MS).unref();
  }

  readonly #retry = (): void => {
    this.#isDue = false;
    if (!this.flush()) {
      this.#retrySoon();
      return;
    }
    const lines = this.#dropped;
    this.#dropped = 0;
    if (lines > 0) this.#options.onCaughtUp(lines);
  };
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}

/** Standard error of this process. */
export function openStandardError(options: Pick<LineWriterOptions, 'onDropped' | 'onCaughtUp'>) {
  const descriptor = openWithoutWaiting();
  const writer = new LineWriter({ ...options, writeSome: (bytes) => writeSync(descriptor, bytes) });
  process.on('exit', () => flushAtExit(writer));
  return {
    write: (line: string) => writer.write(line),
    writeUrgent: (line: string) => writer.writeUrgent(line),
    isTTY: isatty(2),
  };
}

/**
 * A descriptor for which a full pipe is EAGAIN. A pipe or terminal is opened once more: the flag belongs to what was opened,
 * and others that share descriptor 2 (a shell, a terminal) keep theirs. A socket cannot be opened again; where Node.js makes
 * `process.stderr` from it, the flag is set, and Node.js resets it at the exit. A file does not wait.
 */
function openWithoutWaiting(): number {
  const stat = fstatSync(2);
  if (stat.isFIFO() || stat.isCharacterDevice()) {
    try {
      return openSync('/proc/self/fd/2', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch {
      // Another user's pipe, or a system without /proc.
    }
  }
  if (isMainThread && (stat.isFIFO() || stat.isSocket())) void process.stderr.writable;
  return 2;
}

/** At the exit a reader that still reads gets this long for each step, in milliseconds, and all of it this long. */
const EXIT_STEP_MS = 20;
const EXIT_MS = 400;

/** The last lines say why a process ends. A reader that has stopped does not hold up the exit for longer. */
function flushAtExit(writer: LineWriter): void {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; !writer.flush() && waited < EXIT_MS; waited += EXIT_STEP_MS) {
    Atomics.wait(cell, 0, 0, EXIT_STEP_MS);
  }
}
