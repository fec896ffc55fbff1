import { type NetConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';

/**
 * The TCP handle inside a socket of Node.js, as far as the fast path needs it. Node.js does not document it, so its shape
 * is checked before use. `onread` needs `useUserBuffer`; the others make a socket read and pause.
 */
export interface SocketHandle {
  readStart(): unknown;
  readStop(): unknown;
  useUserBuffer(buffer: Uint8Array): unknown;
}

/** The handle of an accepted socket, or undefined where Node.js has none of the expected shape. */
export function handleOf(accepted: Socket): SocketHandle | undefined {
  const handle: unknown = '_handle' in accepted ? accepted._handle : undefined;
  return isSocketHandle(handle) ? handle : undefined;
}

function isSocketHandle(handle: unknown): handle is SocketHandle {
  if (typeof handle !== 'object' || handle === null) return false;
  return ['readStart', 'readStop', 'useUserBuffer'].every(
    (name) => name in handle && typeof handle[name as keyof typeof handle] === 'function',
  );
}

/**
 * A socket that reads into memory of the caller, in place of an accepted one, which has no such option (`onread`, as
 * net.connect takes it). Both are made around the same handle. The accepted socket loses the handle, and its server counts
 * it as a connection until it is destroyed.
 */
export function readInto(
  accepted: Socket,
  handle: SocketHandle,
  onread: NonNullable<NetConnectOpts['onread']>,
): Socket {
  (accepted as Socket & { _handle: SocketHandle | null })._handle = null;
  const options = { handle: handle as object, allowHalfOpen: true, onread };
  return new Socket(options as SocketConstructorOpts);
}

/** Bytes that the handle of a socket has not passed to the kernel; undefined where Node.js does not say. */
export function unsentBytes(socket: Socket): number | undefined {
  const handle: unknown = '_handle' in socket ? socket._handle : undefined;
  if (typeof handle !== 'object' || handle === null || !('writeQueueSize' in handle)) return undefined;
  return typeof handle.writeQueueSize === 'number' ? handle.writeQueueSize : undefined;
}
