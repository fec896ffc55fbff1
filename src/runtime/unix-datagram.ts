/*
 * Unix datagram sockets, which Node.js has not, by calls into libc and libuv with node:ffi. There is an addon, node-unix-socket; but it
 * reads until nothing more comes, so that a busy sender stops the event loop; its events wait for the next tick of an idle process; it cannot
 * be paused; and it has no build for arm64. node:ffi is part of Node.js since 26.1 and experimental: it is loaded only when a socket is opened.
 *
 * Structs of Linux, 64 bits, little endian:
 *
 *   sockaddr_un   family u16 | path, with a NUL
 *   iovec         base u64 | length u64
 *   mmsghdr       name u64 | name length u32, 0 | iovec u64 | iovecs u64 | control u64 | control length u64 | flags u32, 0 | length u32, 0
 */

import { loadLibc, type Native, READABLE, startPoll, WRITABLE } from './libc.ts';

const AF_UNIX = 1;
/** SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC */
const DATAGRAMS = 2 | 0o4000 | 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const MSG_NOSIGNAL = 0x4000;
/** Bytes of a path. */
const MAX_PATH = 107;
/** Of sockaddr_un. */
const ADDRESS_BYTES = 2 + MAX_PATH + 1;
/** Datagrams of one call: a queue has room for net.unix.max_dgram_qlen, 10 by default. */
const SLOTS = 16;
/** Longest datagram; net.core.wmem_max, 208 KiB by default, allows as much. The pages are taken when they are used. */
const SLOT_BYTES = 256 * 1024;
/** Why a datagram cannot be sent. */
const FINAL: readonly string[] = ['ECONNREFUSED', 'ECONNRESET', 'EMSGSIZE', 'ENOTCONN'];
/** Of a call whose error is not certain. */
const MAX_TRIES = 3;
/** Calls before the event loop has its turn. */
const CALLS_A_TURN = 8;
/** Senders that never stop must not keep it open. */
const CALLS_AT_CLOSE = 256;
const IOVEC_BYTES = 16;
const HEADER_BYTES = 64;
const IOVEC_AT = 16;
const FLAGS_AT = 48;
const LENGTH_AT = 56;

/** What a call into libc failed with. */
export class UnixDatagramError extends Error {
  override readonly name = 'UnixDatagramError';
  /** Such as `ECONNREFUSED`. */
  readonly code: string;

  constructor(call: string, path: string, code: string) {
    super(`cannot ${call} a Unix datagram socket path=${path}: ${code}`);
    this.code = code;
  }
}

export interface UnixDatagramReceiver {
  /** Bytes of the kernel's buffer, as it says itself: it doubles what was asked for. */
  readonly receiveBuffer: number;
  /** Nothing more is read: senders wait, or get EAGAIN. */
  pause(): void;
  resume(): void;
  /** Reads what the kernel has, also when it is paused, and closes. The path stays. */
  close(): void;
}

export interface UnixDatagramSender {
  /**
   * Sends one. False: the receiver's queue is full; try again after `writable`. Throws UnixDatagramError: EMSGSIZE where it is too long,
   * ECONNREFUSED where nobody receives any more; then a new sender is needed.
   */
  trySend(datagram: Buffer): boolean;
  /** Resolves when there may be room. */
  writable(): Promise<void>;
  close(): void;
}

/**
 * Binds `path`, which must not exist, and reads. `onDatagram`: memory that is valid during the call; `isWhole` is false where the datagram
 * is longer than 256 KiB. Throws UnixDatagramError, and Error where this Node.js has no node:ffi.
 */
export function openUnixDatagramReceiver(
  path: string,
  options: {
    /** Bytes to ask the kernel for. */
    readonly receiveBuffer: number;
    readonly onDatagram: (datagram: Buffer, isWhole: boolean) => void;
  },
): UnixDatagramReceiver {
  const native = loadLibc();
  const socket = openSocket(native);
  try {
    if (native.libc.bind(socket.fd, addressOf(path), ADDRESS_BYTES) < 0)
      throw new UnixDatagramError('bind', path, native.lastError());
    const size = Buffer.alloc(8);
    size.writeInt32LE(Math.min(options.receiveBuffer, 2 ** 30));
    native.libc.setsockopt(socket.fd, SOL_SOCKET, SO_RCVBUF, size, 4);
    size.writeUInt32LE(4, 4);
    native.libc.getsockopt(socket.fd, SOL_SOCKET, SO_RCVBUF, size, size.subarray(4));
    return readDatagrams(native, socket, size.readInt32LE(), options.onDatagram);
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Connects to a receiver. Throws UnixDatagramError: ENOENT and ECONNREFUSED where there is none, EPROTOTYPE where it is no datagram socket. */
export function openUnixDatagramSender(path: string): UnixDatagramSender {
  const native = loadLibc();
  const socket = openSocket(native);
  try {
    if (native.libc.connect(socket.fd, addressOf(path), ADDRESS_BYTES) < 0)
      throw new UnixDatagramError('connect', path, native.lastError());
  } catch (error) {
    socket.close();
    throw error;
  }
  let waiting: PromiseWithResolvers<void> | undefined;
  const poll = startPoll(native, socket.fd, () => {
    poll.watch(0);
    waiting?.resolve();
    waiting = undefined;
  });
  return {
    trySend(datagram) {
      for (let tries = 1; ; tries++) {
        if (native.libc.send(socket.fd, datagram, BigInt(datagram.length), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0n)
          return true;
        const code = native.lastError();
        if (code === 'EAGAIN' || code === 'ENOBUFS') return false;
        // Node.js may have done something between the two calls that failed in another way.
        if (FINAL.includes(code) || tries === MAX_TRIES) throw new UnixDatagramError('send to', path, code);
      }
    },
    writable() {
      waiting ??= Promise.withResolvers();
      poll.watch(WRITABLE);
      return waiting.promise;
    },
    close() {
      poll.close();
      socket.close();
      waiting?.resolve();
    },
  };
}

/** Memory for the datagrams of one call. The kernel writes to it by its address: whoever reads keeps all of it. */
function createSlots(native: Native) {
  const memory = Buffer.allocUnsafeSlow(SLOTS * SLOT_BYTES);
  const vectors = Buffer.alloc(SLOTS * IOVEC_BYTES);
  const headers = Buffer.alloc(SLOTS * HEADER_BYTES);
  for (let slot = 0; slot < SLOTS; slot++) {
    vectors.writeBigUInt64LE(native.pointerTo(memory) + BigInt(slot * SLOT_BYTES), slot * IOVEC_BYTES);
    vectors.writeBigUInt64LE(BigInt(SLOT_BYTES), slot * IOVEC_BYTES + 8);
    const at = slot * HEADER_BYTES + IOVEC_AT;
    headers.writeBigUInt64LE(native.pointerTo(vectors) + BigInt(slot * IOVEC_BYTES), at);
    headers.writeBigUInt64LE(1n, at + 8);
  }
  return { memory, vectors, headers };
}

function readDatagrams(
  native: Native,
  socket: Socket,
  receiveBuffer: number,
  onDatagram: (datagram: Buffer, isWhole: boolean) => void,
): UnixDatagramReceiver {
  const slots = createSlots(native);
  let isPaused = false;
  let isClosed = false;

  /** False when the kernel has no more. */
  function readSome(): boolean {
    const { memory, headers } = slots;
    const count = native.libc.recvmmsg(socket.fd, headers, SLOTS, MSG_DONTWAIT, 0n);
    for (let slot = 0; slot < count; slot++) {
      const at = slot * HEADER_BYTES;
      const start = slot * SLOT_BYTES;
      const isWhole = (headers.readUInt32LE(at + FLAGS_AT) & MSG_TRUNC) === 0;
      onDatagram(memory.subarray(start, start + headers.readUInt32LE(at + LENGTH_AT)), isWhole);
    }
    return count === SLOTS;
  }

  const poll = startPoll(native, socket.fd, () => {
    for (let calls = 0; calls < CALLS_A_TURN && !isPaused && !isClosed; calls++) if (!readSome()) return;
  });
  poll.watch(READABLE);
  return {
    receiveBuffer,
    pause() {
      isPaused = true;
      poll.watch(0);
    },
    resume() {
      isPaused = false;
      poll.watch(READABLE);
    },
    close() {
      if (isClosed) return;
      for (let calls = 0; calls < CALLS_AT_CLOSE && readSome(); calls++);
      isClosed = true;
      poll.close();
      socket.close();
    },
  };
}

interface Socket {
  readonly fd: number;
  close(): void;
}

function openSocket({ libc, lastError }: Native): Socket {
  const fd = libc.socket(AF_UNIX, DATAGRAMS, 0);
  if (fd < 0) throw new UnixDatagramError('open', '', lastError());
  return { fd, close: () => void libc.close(fd) };
}

function addressOf(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length > MAX_PATH) throw new UnixDatagramError('use', path, 'ENAMETOOLONG');
  const address = Buffer.alloc(ADDRESS_BYTES);
  address.writeUInt16LE(AF_UNIX);
  bytes.copy(address, 2);
  return address;
}
