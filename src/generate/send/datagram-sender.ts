import { piecesOf } from '../batch/pieces.ts';
import type { SendContext, Sender } from '../generate.ts';
import { backoffMs, describeError, Tally } from './outcome.ts';

/** Fits into one packet of every usual network. */
export const MAX_DATAGRAM_BYTES = 1_400;

export interface DatagramSocket {
  /** Rejects with why it could not be sent. */
  send(datagram: Buffer): Promise<void>;
  close(): void;
}

export interface DatagramOptions extends SendContext {
  readonly target: string;
  /** Rejects where there is no such address. */
  readonly open: () => Promise<DatagramSocket>;
  /** Each record has a datagram of its own. Default: as many as fit. */
  readonly isSingle?: boolean;
}

/** Never sent again: the operating system refuses its size. */
const TOO_LARGE = 'EMSGSIZE';

/** Sends datagrams of whole lines, as many as fit into 1,400 bytes. A line that is longer goes alone. */
export function createDatagramSender(options: DatagramOptions): Sender {
  const { target, open, isSingle = false, retries, stopped, warn, wait } = options;
  // A piece has at least one frame.
  const maxBytes = isSingle ? 0 : MAX_DATAGRAM_BYTES;
  let socket: DatagramSocket | undefined;
  let hasWarned = false;
  let isDestroyed = false;

  /** Why it could not be sent; undefined where it was. */
  async function sendOne(datagram: Buffer): Promise<string | undefined> {
    if (isDestroyed) return `${target} did not take all datagrams in time`;
    for (let attempt = 0; ; attempt++) {
      try {
        socket ??= await open();
        await socket.send(datagram);
        return undefined;
      } catch (error) {
        const failure = `cannot send a datagram of ${datagram.length} bytes to ${target}: ${describeError(error)}`;
        // A socket of a receiver that is gone is of no use when another one listens.
        socket?.close();
        socket = undefined;
        const isTooLarge = error instanceof Error && 'code' in error && error.code === TOO_LARGE;
        if (isTooLarge || attempt >= retries || stopped.aborted) return failure;
        await wait(backoffMs(attempt));
      }
    }
  }

  return {
    async send(batch) {
      const tally = new Tally();
      for (const { bytes, records } of piecesOf(batch, maxBytes)) {
        if (bytes.length > MAX_DATAGRAM_BYTES && !hasWarned) {
          hasWarned = true;
          warn(
            `a record of ${bytes.length} bytes is larger than a datagram of ${MAX_DATAGRAM_BYTES} bytes should be, and goes alone; networks may drop it`,
          );
        }
        const failure = await sendOne(bytes);
        if (failure === undefined) tally.sent(records, bytes.length);
        else tally.failed(records, failure);
      }
      return tally.outcome();
    },
    async close() {
      socket?.close();
      socket = undefined;
    },
    destroy() {
      isDestroyed = true;
      socket?.close();
    },
  };
}
