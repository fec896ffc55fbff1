import { execFile } from 'node:child_process';
import {
  closeSync,
  constants,
  createReadStream,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  unlinkSync,
} from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { codeOf } from '../disk/missing.ts';
import type { PipeEvents, PipeSource } from './pipe-input.ts';

/** A pipe holds 64 KiB. */
const READ_BYTES = 64 * 1024;
const { O_RDWR, O_NONBLOCK, O_NOFOLLOW } = constants;

/**
 * A FIFO at a path, which is made for its owner alone where there is none, and removed at the close if it was made here. It is open for writing,
 * too, so that it does not end when its last writer leaves. Two processes that read one FIFO share its lines: there should be one.
 */
export function createFifoSource(path: string): PipeSource {
  let reader: Reader | undefined;
  /** Of the FIFO that was made here. */
  let made: number | undefined;
  return {
    async open(events) {
      const isNew = lstatSync(path, { throwIfNoEntry: false }) === undefined;
      if (isNew) await makeFifo(path);
      const fd = openFifo(path);
      if (isNew) made = fstatSync(fd).ino;
      reader = readSocket(fd, events);
      return path;
    },
    pause: () => reader?.pause(),
    resume: () => reader?.resume(),
    close() {
      // First the name, so that no new writer opens a pipe that nobody reads.
      if (made !== undefined && lstatSync(path, { throwIfNoEntry: false })?.ino === made) unlinkSync(path);
      made = undefined;
      reader?.close();
    },
  };
}

/** Standard input, or another descriptor: a pipe, a socket, a terminal or a file. */
export function createDescriptorSource(fd: number): PipeSource {
  let reader: Reader | undefined;
  return {
    async open(events) {
      const status = fstatSync(fd);
      reader = status.isFIFO() || status.isSocket() ? readSocket(fd, events) : readFile(fd, events);
      return fd === 0 ? 'standard input' : `descriptor ${fd}`;
    },
    pause: () => reader?.pause(),
    resume: () => reader?.resume(),
    close: () => reader?.close(),
  };
}

interface Reader {
  pause(): void;
  resume(): void;
  close(): void;
}

/** Read by the event loop, as a socket is: no thread of the pool waits in it. */
function readSocket(fd: number, { onBytes, onEnd }: PipeEvents): Reader {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  let isPaused = true;
  const callback = (count: number) => {
    onBytes(buffer.subarray(0, count));
    return !isPaused;
  };
  const options: SocketConstructorOpts = { fd, readable: true, writable: false, onread: { buffer, callback } };
  const socket = new Socket(options);
  socket.once('end', () => onEnd(undefined));
  socket.once('error', onEnd);
  return {
    pause() {
      isPaused = true;
      socket.pause();
    },
    resume() {
      isPaused = false;
      socket.resume();
    },
    close: () => void socket.destroy(),
  };
}

function readFile(fd: number, { onBytes, onEnd }: PipeEvents): Reader {
  const stream = createReadStream('', { fd, autoClose: false, highWaterMark: READ_BYTES });
  stream.pause();
  stream.on('data', (bytes) => onBytes(bytes as Buffer));
  stream.pause();
  stream.once('end', () => onEnd(undefined));
  stream.once('error', onEnd);
  return {
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    close: () => void stream.destroy(),
  };
}

/** Node.js has no mkfifo; the command is part of every system that has FIFOs. It does not follow links, and fails where something is. */
async function makeFifo(path: string): Promise<void> {
  if (!existsSync(dirname(path))) throw new Error(`cannot make the FIFO path=${path}: its folder does not exist`);
  try {
    await promisify(execFile)('mkfifo', ['-m', '600', '--', path], { env: { PATH: process.env.PATH, LC_ALL: 'C' } });
  } catch (error) {
    if (codeOf(error) === 'ENOENT')
      throw new Error(`cannot make the FIFO path=${path}: there is no command mkfifo; make the FIFO before the start`, {
        cause: error,
      });
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    throw new Error(`cannot make the FIFO path=${path}: ${said}`, { cause: error });
  }
}

function openFifo(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW);
  } catch (error) {
    throw explain(error, path);
  }
  if (fstatSync(fd).isFIFO()) return fd;
  closeSync(fd);
  throw new Error(`cannot read path=${path}: what is there is no FIFO; move it away`);
}

function explain(error: unknown, path: string): Error {
  const reasons: Readonly<Record<string, string>> = {
    ELOOP: 'it is a symbolic link; move it away',
    EISDIR: 'there is a folder; move it away',
    ENXIO: 'there is a socket, which is no FIFO; move it away',
    EACCES: 'the FIFO belongs to another user',
  };
  const code = String(codeOf(error));
  return new Error(`cannot read path=${path}: ${reasons[code] ?? code}`, { cause: error });
}
