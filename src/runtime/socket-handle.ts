import { type NetConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * The handle of TCP, or of TLS, inside a socket of Node.js, as far as the fast path needs it. Node.js does not document it, so its shape
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
  if (!isSocketHandle(handle)) return undefined;
  return accepted instanceof TLSSocket && onreadKeys(accepted) === undefined ? undefined : handle;
}

function isSocketHandle(handle: unknown): handle is SocketHandle {
  if (typeof handle !== 'object' || handle === null) return false;
  return ['readStart', 'readStop', 'useUserBuffer'].every(
    (name) => name in handle && typeof handle[name as keyof typeof handle] === 'function',
  );
}

type Onread = NonNullable<NetConnectOpts['onread']>;

/** Under which a socket has `onread`: its buffer, its callback, and what gives the next buffer. */
interface OnreadKeys {
  readonly kBuffer: symbol;
  readonly kBufferCb: symbol;
  readonly kBufferGen: symbol;
}

function onreadKeys(socket: Socket): OnreadKeys | undefined {
  const symbols = Object.getOwnPropertySymbols(socket);
  const find = (name: keyof OnreadKeys) => symbols.find(({ description }) => description === name);
  const [kBuffer, kBufferCb, kBufferGen] = [find('kBuffer'), find('kBufferCb'), find('kBufferGen')];
  if (kBuffer === undefined || kBufferCb === undefined || kBufferGen === undefined) return undefined;
  return { kBuffer, kBufferCb, kBufferGen };
}

/**
 * A socket that reads into memory of the caller, in place of an accepted one, which has no such option (`onread`, as
 * net.connect takes it). Both are made around the same handle. The accepted socket loses the handle, and its server counts
 * it as a connection until it is destroyed.
 *
 * The handle of a TLS socket calls it with errors, so it keeps the handle, gets the option afterwards, and is the socket that reads.
 * Without this a million records in batches of 1000 cost 1.7 times the CPU time (1.28 and 0.76 s on a busy machine, bench/https.ts).
 */
export function readInto(accepted: Socket, handle: SocketHandle, onread: Onread): Socket {
  if (accepted instanceof TLSSocket) {
    addOnread(accepted, handle, onread);
    return accepted;
  }
  (accepted as Socket & { _handle: SocketHandle | null })._handle = null;
  const options = { handle: handle as object, allowHalfOpen: true, onread };
  return new Socket(options as SocketConstructorOpts);
}

function addOnread(socket: TLSSocket, handle: SocketHandle, { buffer, callback }: Onread): void {
  const keys = onreadKeys(socket);
  if (keys === undefined) throw new Error('this Node.js cannot read from a TLS socket into given memory');
  const next = typeof buffer === 'function' ? buffer : null;
  const first = typeof buffer === 'function' ? buffer() : buffer;
  Object.assign(socket, { [keys.kBuffer]: first, [keys.kBufferCb]: callback, [keys.kBufferGen]: next });
  handle.useUserBuffer(first);
}

/** The accepted socket under a TLS socket. Node.js does not document it. Undefined where it is not known. */
export function acceptedOf(secure: TLSSocket): Socket | undefined {
  const accepted: unknown = '_parent' in secure ? secure._parent : undefined;
  return accepted instanceof Socket ? accepted : undefined;
}

/** Bytes that the handle of a socket has not passed to the kernel; undefined where Node.js does not say. */
export function unsentBytes(socket: Socket): number | undefined {
  const handle: unknown = '_handle' in socket ? socket._handle : undefined;
  if (typeof handle !== 'object' || handle === null || !('writeQueueSize' in handle)) return undefined;
  return typeof handle.writeQueueSize === 'number' ? handle.writeQueueSize : undefined;
}
