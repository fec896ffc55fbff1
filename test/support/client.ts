import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';

/** The answer to one POST /logs. `status` is 0 when the connection was lost before the answer was complete. */
export interface Outcome {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** A client with its own connections. Close it, or the test does not end. */
export interface Client {
  post(body: string | Buffer, headers?: Readonly<Record<string, string>>, path?: string): Promise<Outcome>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Outcome>;
  close(): void;
}

export function createClient(port: number, { connections = 16 } = {}): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });

  function exchange(method: string, path: string, headers: Record<string, string | number>, body?: string | Buffer) {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const lost = (error?: Error) => resolve({ status: 0, headers: {}, body: error?.message ?? 'cut off' });
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', lost);
      response.on('close', () => {
        if (!response.complete) return lost();
        const { statusCode = 0 } = response;
        resolve({ status: statusCode, headers: response.headers, body: Buffer.concat(parts).toString() });
      });
    });
    outgoing.on('error', lost);
    outgoing.end(body);
    return promise;
  }

  return {
    post: (body, headers = {}, path = '/logs') =>
      exchange(
        'POST',
        path,
        { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), ...headers },
        body,
      ),
    get: (path, headers = {}) => exchange('GET', path, headers),
    close: () => agent.destroy(),
  };
}

/** A plain connection, for requests that no client library sends. */
export async function openSocket(
  port: number,
): Promise<{ socket: Socket; received: () => string; closed: Promise<void> }> {
  const socket = connect({ port, host: '127.0.0.1' });
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  // Some of these connections are meant to end with a reset.
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => void socket.on('close', () => resolve()));
  await once(socket, 'connect');
  return { socket, received: () => Buffer.concat(parts).toString(), closed };
}
