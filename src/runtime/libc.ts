/*
 * Calls into libc and libuv by node:ffi, which is part of Node.js since 26.1 and experimental: it is loaded at the first call, so that a
 * Node.js without it runs everything else. Only Linux on 64 bits.
 */

type Ffi = typeof import('node:ffi');

const UV_POLL = 8;
export const READABLE = 1;
export const WRITABLE = 2;
/** Of struct uv_poll_t, at least. */
const POLL_BYTES = 256;
const ERRORS: Readonly<Record<number, string>> = {
  1: 'EPERM',
  2: 'ENOENT',
  11: 'EAGAIN',
  13: 'EACCES',
  20: 'ENOTDIR',
  22: 'EINVAL',
  32: 'EPIPE',
  36: 'ENAMETOOLONG',
  40: 'ELOOP',
  90: 'EMSGSIZE',
  91: 'EPROTOTYPE',
  98: 'EADDRINUSE',
  104: 'ECONNRESET',
  105: 'ENOBUFS',
  107: 'ENOTCONN',
  111: 'ECONNREFUSED',
};

export interface Poll {
  /** 0: nothing. */
  watch(events: number): void;
  close(): void;
}

/** What libuv must not find when the process ends. */
const polls = new Set<Poll>();
let isExitWatched = false;

/** Watches a descriptor by the event loop. */
export function startPoll(
  { libc, uvLoop, register, unregister, pointerTo }: Native,
  fd: number,
  onReady: () => void,
): Poll {
  const handle = Buffer.alloc(Math.max(POLL_BYTES, Number(libc.uv_handle_size(UV_POLL))));
  const pointer = pointerTo(handle);
  let watched = 0;
  let isScheduled = false;
  // libuv calls back outside of any scope of Node.js, in which promises and ticks would run.
  const callback = register((status) => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      // After an error of the socket libuv watches it no more.
      if (status < 0) poll.watch(watched);
      if (polls.has(poll)) onReady();
    });
  });
  libc.uv_poll_init(uvLoop, pointer, fd);
  const poll: Poll = {
    watch(events) {
      watched = events;
      if (!polls.has(poll)) return;
      if (events === 0) libc.uv_poll_stop(pointer);
      else libc.uv_poll_start(pointer, events, callback);
    },
    close() {
      if (!polls.delete(poll)) return;
      libc.uv_close(pointer, 0n);
      // libuv uses the handle until the end of this turn of the loop.
      setImmediate(() => setImmediate(() => unregister(callback, handle)));
    },
  };
  if (!isExitWatched) process.once('exit', closePolls);
  isExitWatched = true;
  polls.add(poll);
  return poll;
}

function closePolls(): void {
  for (const poll of polls) poll.close();
}

export type Native = ReturnType<typeof bindNative>;

let loaded: Native | undefined;

/** Throws, with what to do, where there is no node:ffi. */
export function loadLibc(): Native {
  loaded ??= bindNative(findFfi());
  return loaded;
}

function findFfi(): Ffi {
  // It says to standard error that it is experimental, where our log goes.
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    const ffi = process.platform === 'linux' ? process.getBuiltinModule('node:ffi') : undefined;
    if (ffi !== undefined) return ffi;
  } finally {
    process.emitWarning = emitWarning;
  }
  throw new Error(
    `cannot open a Unix datagram socket: Node.js ${process.version} on ${process.platform} has no node:ffi for it; install logforge with its own Node.js (the npm package "node"), or use a stream socket (unixsock)`,
  );
}

function bindNative(ffi: Ffi) {
  const { lib, functions: libc } = ffi.dlopen(null, {
    socket: { arguments: ['int32', 'int32', 'int32'], return: 'int32' },
    close: { arguments: ['int32'], return: 'int32' },
    bind: { arguments: ['int32', 'buffer', 'uint32'], return: 'int32' },
    connect: { arguments: ['int32', 'buffer', 'uint32'], return: 'int32' },
    setsockopt: { arguments: ['int32', 'int32', 'int32', 'buffer', 'uint32'], return: 'int32' },
    getsockopt: { arguments: ['int32', 'int32', 'int32', 'buffer', 'buffer'], return: 'int32' },
    send: { arguments: ['int32', 'buffer', 'uint64', 'int32'], return: 'int64' },
    recvmmsg: { arguments: ['int32', 'buffer', 'uint32', 'int32', 'pointer'], return: 'int32' },
    __errno_location: { arguments: [], return: 'pointer' },
    uv_handle_size: { arguments: ['int32'], return: 'uint64' },
    uv_poll_init: { arguments: ['pointer', 'pointer', 'int32'], return: 'int32' },
    uv_poll_start: { arguments: ['pointer', 'int32', 'pointer'], return: 'int32' },
    uv_poll_stop: { arguments: ['pointer'], return: 'int32' },
    uv_close: { arguments: ['pointer', 'pointer'], return: 'void' },
  });

  function lastError(): string {
    const number = ffi.getInt32(libc.__errno_location());
    return ERRORS[number] ?? `errno ${number}`;
  }

  return {
    libc,
    uvLoop: ffi.getCurrentEventLoop(),
    pointerTo: (memory: Buffer) => ffi.getRawPointer(memory),
    /** Why the call before failed, such as `EAGAIN`. */
    lastError,
    register: (callback: (status: number) => void) =>
      lib.registerCallback({ arguments: ['pointer', 'int32', 'int32'], return: 'void' }, (_handle, status) =>
        callback(status),
      ),
    /** `memory`: what was used with it until now. */
    unregister(callback: bigint, _memory: Buffer): void {
      lib.unregisterCallback(callback);
    },
  };
}
