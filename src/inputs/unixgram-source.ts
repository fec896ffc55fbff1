import { lstatSync, unlinkSync } from 'node:fs';
import { openUnixDatagramReceiver, openUnixDatagramSender, UnixDatagramError } from '../runtime/unix-datagram.ts';
import type { DatagramSource } from './datagram-input.ts';
import { clearSocketPath, ownerOnly, removeStale, setSocketMode } from './socket-path.ts';

export interface UnixgramOptions {
  readonly path: string;
  /** Bytes that the kernel may keep for us. */
  readonly receiveBuffer: number;
}

/** A Unix datagram socket. While it is not read, its senders wait or get EAGAIN, so the kernel drops nothing. */
export function createUnixgramSource({ path, receiveBuffer }: UnixgramOptions): DatagramSource {
  let receiver: ReturnType<typeof openUnixDatagramReceiver> | undefined;
  let inode = 0;
  return {
    async open(onDatagram) {
      await clearDatagramPath(path);
      try {
        receiver = ownerOnly(() =>
          openUnixDatagramReceiver(path, {
            receiveBuffer,
            onDatagram: (datagram, isWhole) => onDatagram(datagram, isWhole, ''),
          }),
        );
      } catch (error) {
        throw explain(error, path);
      }
      setSocketMode(path);
      inode = lstatSync(path).ino;
      return path;
    },
    back: {
      pause: () => receiver?.pause(),
      resume: () => receiver?.resume(),
    },
    async close() {
      if (receiver === undefined) return;
      // No new sender finds it, while what was sent is read.
      if (lstatSync(path, { throwIfNoEntry: false })?.ino === inode) unlinkSync(path);
      receiver.close();
      receiver = undefined;
    },
  };
}

/** As clearSocketPath, which asks as a stream and so cannot tell whether somebody receives datagrams. */
async function clearDatagramPath(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isSocket() !== true) return clearSocketPath(path);
  try {
    openUnixDatagramSender(path).close();
  } catch (error) {
    if (!(error instanceof UnixDatagramError)) throw error;
    // A socket of streams, or of another user: it says why.
    if (error.code === 'ECONNREFUSED') return removeStale(path, found);
    return clearSocketPath(path);
  }
  throw new Error(`cannot listen on path=${path}: another process listens there`);
}

function explain(error: unknown, path: string): unknown {
  if (!(error instanceof UnixDatagramError)) return error;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'something else was made there at the same moment',
    EACCES: 'the user that logforge runs as may not write to its folder',
    ENOENT: 'its folder does not exist',
    ENOTDIR: 'a part of it is no folder',
    ENAMETOOLONG: 'the path is longer than a socket may have (107 bytes)',
  };
  const reason = reasons[error.code];
  return reason === undefined ? error : new Error(`cannot listen on path=${path}: ${reason}`, { cause: error });
}
