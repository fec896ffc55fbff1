import type { Socket } from 'node:net';
import { piecesOf } from '../batch/pieces.ts';
import type { Batch, Outcome, SendContext, Sender } from '../generate.ts';
import { backoffMs, describeError, Tally } from './outcome.ts';
import { RecentRecords } from './recent-records.ts';

export interface StreamOptions extends SendContext {
  /** Where to, for messages. */
  readonly target: string;
  /** Resolves with an open connection; rejects with why there is none. */
  readonly connect: () => Promise<Socket>;
  /** A write has at most so many bytes, and whole frames. */
  readonly maxWriteBytes: number;
}

const CLOSED = new Error('the other side closed it');

/** A connection that the other side does not close is cut after this. */
const CLOSE_MS = 1_000;

/**
 * Sends over connections, one after the other. After a connection broke the next one begins with the head and a whole frame. What was being
 * written into the broken one, and what was written in the second before, is unsure and is not sent again: nobody can know how much of it was
 * read.
 */
export function createStreamSender(options: StreamOptions): Sender {
  return new StreamSender(options);
}

class StreamSender implements Sender {
  readonly #options: StreamOptions;
  #open: Socket | undefined;
  /** A connection that we close. */
  #closing: Socket | undefined;
  readonly #recent = new RecentRecords();
  /** When the present write began. */
  #writingSince: number | undefined;
  /** Records of the present batch that were written and not doubted. */
  #written = 0;
  /** Of the present batch some were. */
  #isDoubted = false;
  #isDestroyed = false;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  async send(batch: Batch): Promise<Outcome> {
    const { target, retries, maxWriteBytes } = this.#options;
    const tally = new Tally();
    let breaks = 0;
    let hopeless: string | undefined;
    this.#written = 0;
    this.#isDoubted = false;
    for (const { bytes, records } of piecesOf(batch, maxWriteBytes)) {
      const socket = hopeless === undefined ? (this.#open ?? (await this.#connect())) : new Error(hopeless);
      if (socket instanceof Error) {
        hopeless = socket.message;
        tally.failed(records, hopeless);
        continue;
      }
      this.#writingSince = performance.now();
      // The other side may have closed meanwhile, though the kernel took the rest.
      const failure = (await write(socket, bytes)) ?? (this.#open === socket ? undefined : CLOSED);
      if (failure === undefined) {
        this.#recent.add(records, bytes.length, this.#writingSince);
        this.#writingSince = undefined;
        this.#written += records;
        tally.sent(records, bytes.length);
        continue;
      }
      this.#forget(socket);
      this.#writingSince = undefined;
      socket.destroy();
      const problem = `the connection to ${target} broke: ${failure.message}`;
      tally.unsure(records, problem);
      breaks++;
      if (breaks > retries || this.#isDestroyed) hopeless = problem;
    }
    const outcome = tally.outcome();
    const isWhole = outcome.failed === 0 && outcome.unsure === 0 && !this.#isDoubted;
    if (isWhole) this.#recent.endBatch();
    this.#written = 0;
    return this.#isDoubted ? { ...outcome, isDoubted: true } : outcome;
  }

  async close(): Promise<void> {
    this.#closing = this.#open;
    this.#open = undefined;
    this.#closing?.once('error', () => this.#doubt());
    if (this.#closing !== undefined) await end(this.#closing);
  }

  destroy(): void {
    this.#isDestroyed = true;
    this.#open?.destroy();
    this.#closing?.destroy();
  }

  /** A new connection, or why there is none after all attempts. */
  async #connect(): Promise<Socket | Error> {
    const { target, connect, retries, stopped, notify, wait } = this.#options;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#begin(await connect());
      } catch (error) {
        const failure = `cannot connect to ${target}: ${describeError(error)}`;
        if (attempt >= retries || stopped.aborted)
          return new Error(`${failure}; gave up after ${attempt + 1} attempts`);
        notify(failure);
        await wait(backoffMs(attempt));
      }
    }
  }

  async #begin(socket: Socket): Promise<Socket> {
    const { head } = this.#options;
    if (this.#isDestroyed) {
      socket.destroy();
      throw new Error('the time of the stop is over');
    }
    const forget = (): void => this.#forget(socket);
    // Nobody answers, but only who reads notices the end.
    socket.on('error', forget).on('end', forget).on('close', forget).resume();
    this.#open = socket;
    const failure = head.length > 0 ? await write(socket, head) : undefined;
    if (failure === undefined) return socket;
    forget();
    socket.destroy();
    throw failure;
  }

  #forget(socket: Socket): void {
    if (this.#open !== socket) return;
    this.#open = undefined;
    this.#doubt();
  }

  #doubt(): void {
    const doubt = this.#recent.take(this.#writingSince ?? performance.now());
    if (doubt.records === 0) return;
    if (this.#written > 0) this.#isDoubted = true;
    this.#written = 0;
    this.#options.doubt(doubt);
  }
}

/** Resolves when the operating system has taken all bytes, or with why it did not. */
function write(socket: Socket, bytes: Buffer): Promise<Error | undefined> {
  return new Promise((resolve) => {
    socket.write(bytes, (error) => resolve(error ?? undefined));
  });
}

function end(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), CLOSE_MS);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    if (socket.destroyed) socket.emit('close');
    else socket.end();
  });
}
