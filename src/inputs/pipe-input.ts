import { setTimeout as pause } from 'node:timers/promises';
import { type BlockFramer, type BlockFraming, FrameError } from '../decode/decode.ts';
import type { Log } from '../log.ts';
import type { Input, InputFlow } from './inputs.ts';

/** Where the bytes of a pipe come from. */
export interface PipeSource {
  /** Resolves with the path. `onBytes`: memory that is valid during the call. It is paused when it is opened. */
  open(events: PipeEvents): Promise<string>;
  pause(): void;
  resume(): void;
  close(): void;
}

export interface PipeEvents {
  readonly onBytes: (bytes: Buffer) => void;
  /** Nothing more comes: the last writer has closed, or the source failed. */
  readonly onEnd: (error: Error | undefined) => void;
}

export interface PipeInputOptions {
  readonly name: string;
  readonly source: PipeSource;
  readonly framing: BlockFraming;
  readonly maxFrameBytes: number;
  /** `onRoom` is set here. */
  readonly flow: InputFlow;
  readonly log: Pick<Log, 'warn' | 'info'>;
}

/** A pipe from which nothing came for so long has nothing more. Milliseconds. */
const QUIET_MS = 50;
/** What is left for the delivery of a stop's time, when writers never stop. */
const READ_SHARE = 0.5;

/** An input of one pipe, which all writers share. While too much is in flight it is not read, so its writers wait. */
export function createPipeInput(options: PipeInputOptions): Input {
  const { name, source, flow } = options;
  let failure: unknown = new Error('it is not open yet');
  let where = '';
  const reading = new PipeReading(options, (error) => {
    failure = error;
  });
  return {
    name,
    ended: reading.ended,
    async start() {
      try {
        where = await source.open(reading);
        failure = undefined;
        reading.begin();
        return where;
      } catch (error) {
        failure = error;
        throw error;
      }
    },
    async stop(graceMs) {
      const deadline = performance.now() + graceMs;
      failure ??= new Error('it is stopping');
      await reading.stop(graceMs * READ_SHARE);
      await flow.flush(deadline - performance.now());
    },
    async check() {
      if (failure !== undefined) throw failure;
    },
    detail: () => (reading.isOver ? `${where} has ended; nothing more comes` : 'ok'),
  };
}

/** The way from the bytes of a pipe to whole frames. */
class PipeReading implements PipeEvents {
  readonly #options: PipeInputOptions;
  readonly #framer: BlockFramer;
  readonly #onFailure: (error: Error) => void;
  readonly #ended = Promise.withResolvers<void>();
  #state: 'new' | 'open' | 'over' = 'new';
  #isFull = false;
  #lastAt = 0;

  constructor(options: PipeInputOptions, onFailure: (error: Error) => void) {
    const { framing, maxFrameBytes, flow } = options;
    this.#options = options;
    this.#onFailure = onFailure;
    this.#framer = framing.create((beginning, bytes) => {
      const reason = `a frame of ${bytes} bytes is longer than ${maxFrameBytes} (maxFrameBytes)`;
      this.#afterTake(flow.putAside({ beginning: Buffer.from(beginning), reason }));
    });
    flow.onRoom = () => {
      this.#isFull = false;
      if (this.#state === 'open') options.source.resume();
    };
  }

  /** Resolves when nothing more comes. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  get isOver(): boolean {
    return this.#state === 'over';
  }

  begin(): void {
    this.#state = 'open';
    this.#options.flow.onConnections(1);
    this.#options.source.resume();
  }

  /** Reads what has been written by now, for at most so long, and closes. */
  async stop(graceMs: number): Promise<void> {
    const begun = performance.now();
    this.#lastAt = begun;
    const isQuiet = () => this.#state !== 'open' || (!this.#isFull && performance.now() - this.#lastAt >= QUIET_MS);
    while (!isQuiet() && performance.now() - begun < graceMs) await pause(QUIET_MS / 5);
    this.#finish();
    this.#options.source.close();
  }

  readonly onBytes = (bytes: Buffer): void => {
    if (this.#state !== 'open') return;
    this.#lastAt = performance.now();
    try {
      this.#framer.push(bytes, this.#pass);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      // Where frames end is not known any more, and there is no connection that could begin again.
      this.#putAside(error);
      this.#options.source.close();
      this.onEnd(error);
    }
  };

  readonly onEnd = (error: Error | undefined): void => {
    if (this.#state !== 'open') return;
    const { name, log } = this.#options;
    if (error === undefined) log.info('an input has ended: its writers have closed it', { input: name });
    else {
      this.#onFailure(error);
      log.warn('an input cannot read any more', { input: name, err: error });
    }
    this.#finish();
  };

  /** The last line may have no newline. */
  #finish(): void {
    this.#ended.resolve();
    if (this.#state !== 'open') return;
    this.#state = 'over';
    try {
      this.#framer.end(this.#pass);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#putAside(error);
    }
    this.#options.flow.onConnections(0);
  }

  #putAside({ bytes, message }: FrameError): void {
    this.#afterTake(this.#options.flow.putAside({ beginning: bytes, reason: message }));
  }

  readonly #pass = (frames: Buffer): void => this.#afterTake(this.#options.flow.take(frames));

  #afterTake(hasRoom: boolean): void {
    if (hasRoom || this.#isFull) return;
    this.#isFull = true;
    this.#options.source.pause();
  }
}
