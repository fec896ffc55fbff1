import { close, constants, fstat, open } from 'node:fs';
import { connect as connectPlain, isIP, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';

const CONNECT_MS = 10_000;

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Connects to a TCP address, or to the path of a Unix socket. */
export function connectSocket(to: HostPort | { readonly path: string }): Promise<Socket> {
  return opened(connectPlain({ ...to, noDelay: true }), 'connect');
}

export interface TlsTarget extends HostPort {
  /** Certificates, as PEM, that are trusted in place of the well-known ones. */
  readonly ca?: Buffer;
  /** A certificate of ours and its key, as PEM. */
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** Any certificate is taken. */
  readonly rejectUnauthorized?: false;
}

export function connectTlsSocket({ host, port, ...tls }: TlsTarget): Promise<Socket> {
  const socket = connectTls({
    host,
    port,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...tls,
  });
  socket.setNoDelay(true);
  return opened(socket, 'secureConnect');
}

const openFile = promisify(open);
const statFile = promisify(fstat);
const closeFile = promisify(close);

/** Opens a FIFO that somebody reads. It waits for nobody: without a reader it rejects. */
export async function openFifo(path: string): Promise<Socket> {
  // A descriptor of its own: a FileHandle would close it when it is collected, under the socket.
  const fd = await openFile(path, constants.O_WRONLY | constants.O_NONBLOCK).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENXIO' ? new Error('nobody reads it', { cause: error }) : error;
  });
  if (!(await statFile(fd)).isFIFO()) {
    await closeFile(fd);
    throw new Error('it is not a FIFO');
  }
  return new Socket({ fd, readable: false, writable: true });
}

function opened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(CONNECT_MS, () => fail(new Error(`no connection within ${CONNECT_MS / 1_000} s`)));
    socket.once('error', fail);
    socket.once(event, () => {
      socket.setTimeout(0);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}
