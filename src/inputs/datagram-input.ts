import { setTimeout as pause } from 'node:timers/promises';
import type { BlockFraming } from '../decode/decode.ts';
import type { Log } from '../log.ts';
import type { ClientRate } from './client-rate.ts';
import type { Input, InputFlow } from './inputs.ts';

/** Where datagrams come from: a socket that is opened once. */
export interface DatagramSource {
  /**
   * Resolves with the address or the path where it receives. `onDatagram`: memory that is valid during the call; `client` is the address of
   * the sender, where it has one; `isWhole` is false where the end of the datagram is lost.
   */
  open(onDatagram: (datagram: Buffer, isWhole: boolean, client: string) => void): Promise<string>;
  /** Where senders can be made to wait. */
  readonly back?: { pause(): void; resume(): void };
  /** Datagrams that the kernel has dropped since the socket was opened. */
  readDropped?(): Promise<number>;
  close(): Promise<void>;
}

export interface DatagramInputOptions {
  readonly name: string;
  readonly source: DatagramSource;
  /** Each `push` of its framers is one whole datagram. */
  readonly framing: BlockFraming;
  /** The number of frames in a block of the framing. */
  readonly countFrames: (frames: Buffer) => number;
  readonly maxFrameBytes: number;
  /** `onRoom` is set here. */
  readonly flow: InputFlow;
  /** Of frames of each client. Beyond it they are dropped. */
  readonly rate: ClientRate | undefined;
  readonly log: Pick<Log, 'warn'>;
}

/** A socket from which nothing came for so long has nothing more. Milliseconds. */
const QUIET_MS = 50;
/** What is left for the delivery of a stop's time, when senders never stop. */
const READ_SHARE = 0.25;

/**
 * An input of datagrams. While too much is in flight, the senders wait where the source can make them; otherwise what comes is dropped and
 * counted, because a datagram that is not read is one that the kernel drops.
 */
export function createDatagramInput(options: DatagramInputOptions): Input {
  const { name, source, flow } = options;
  let failure: unknown = new Error('it does not listen yet');
  let isFull = false;
  let lastAt = 0;

  const { receive, onNotWhole } = createReceiver(options, () => isFull, wait);

  flow.onRoom = () => {
    isFull = false;
    source.back?.resume();
  };

  function wait(): void {
    isFull = true;
    source.back?.pause();
  }

  const readKernelDrops = createDropReader(options);

  return {
    name,
    async start() {
      try {
        const where = await source.open((datagram, isWhole, client) => {
          lastAt = performance.now();
          if (isWhole) receive(datagram, client);
          else onNotWhole(datagram);
        });
        failure = undefined;
        return where;
      } catch (error) {
        failure = error;
        throw error;
      }
    },
    async stop(graceMs) {
      failure = new Error('it is stopping');
      const begun = performance.now();
      lastAt = begun;
      const isQuiet = () => performance.now() - lastAt >= QUIET_MS && !(isFull && source.back !== undefined);
      while (!isQuiet() && performance.now() - begun < graceMs * READ_SHARE) await pause(QUIET_MS / 5);
      await readKernelDrops().catch(() => undefined);
      await source.close();
      await flow.flush(begun + graceMs - performance.now());
    },
    async check() {
      if (failure !== undefined) throw failure;
    },
    refresh: readKernelDrops,
  };
}

/** Counts what the kernel dropped since the last time. */
function createDropReader({ name, source, flow, log }: DatagramInputOptions): () => Promise<void> {
  let counted = 0;
  return async function readKernelDrops() {
    const dropped = (await source.readDropped?.()) ?? counted;
    const more = dropped - counted;
    if (more <= 0) return;
    counted = dropped;
    flow.onDropped('kernel', more);
    const advice = 'raise receiveBuffer and net.core.rmem_max, or send less at once';
    log.warn('the kernel dropped datagrams of an input', { input: name, datagrams: more, advice, fold: name });
  };
}

/** The way of one datagram to the flow. */
function createReceiver(
  { name, source, framing, maxFrameBytes, countFrames, flow, rate, log }: DatagramInputOptions,
  isFull: () => boolean,
  wait: () => void,
) {
  let client = '';

  /** Whether frames are dropped, and why. */
  function drops(frames: number): boolean {
    if (rate !== undefined && rate.take(client, frames) > 0) {
      flow.onDropped('rate_limited', frames);
      log.warn('a client of an input sends more than rateLimit; the rest is dropped', {
        input: name,
        client,
        fold: name,
      });
      return true;
    }
    if (!isFull() || source.back !== undefined) return false;
    flow.onDropped('full', frames);
    return true;
  }

  function pass(frames: Buffer): void {
    if (rate !== undefined || isFull()) if (drops(countFrames(frames))) return;
    if (!flow.take(frames)) wait();
  }

  function putAside(beginning: Buffer, reason: string): void {
    if (drops(1)) return;
    if (!flow.putAside({ beginning: Buffer.from(beginning), reason })) wait();
  }

  const framer = framing.create((beginning, bytes) =>
    putAside(beginning, `a frame of ${bytes} bytes is longer than ${maxFrameBytes} (maxFrameBytes)`),
  );
  return {
    receive(datagram: Buffer, from: string) {
      client = from;
      framer.push(datagram, pass);
    },
    onNotWhole(datagram: Buffer) {
      putAside(datagram.subarray(0, KEPT_BYTES), `a datagram is longer than ${datagram.length} bytes`);
    },
  };
}

/** Of a datagram whose end is lost. */
const KEPT_BYTES = 1_024;
