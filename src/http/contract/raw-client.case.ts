import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** One answer as it was sent. Header names are in lower case. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** A client that sends exactly the bytes it is given, also those that no correct client sends. */
export interface RawClient {
  readonly socket: Socket;
  send(bytes: string | Uint8Array): void;
  /** The next answer; interim ones (1xx) count. Rejects when the connection ends before it is whole. */
  answer(): Promise<RawAnswer>;
  /** The bytes after the last whole answer. */
  received(): string;
  /** Resolves when the server has closed or cut the connection, with the bytes after the last whole answer. */
  ended(): Promise<string>;
  destroy(): void;
  /** Resets the TCP connection. */
  reset(): void;
}

/** `ca`: by TLS, with a server whose certificate is signed by this one. */
export async function connectRaw(port: number, { ca }: { readonly ca?: string | undefined } = {}): Promise<RawClient> {
  const options = { port, host: '127.0.0.1', allowHalfOpen: true };
  const tcp = connect(options);
  const socket = ca === undefined ? tcp : connectTls({ ...options, socket: tcp, ca });
  await new Promise<void>((resolve, reject) => {
    socket.once(ca === undefined ? 'connect' : 'secureConnect', resolve);
    socket.once('error', reject);
  });
  let received = Buffer.alloc(0);
  let over = false;
  let wake: () => void = () => undefined;
  const finish = () => {
    over = true;
    wake();
  };
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    wake();
  });
  socket.on('end', finish);
  socket.on('error', finish);
  socket.on('close', finish);
  const change = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });

  return {
    socket,
    send: (bytes) => void socket.write(bytes),
    answer: async () => {
      for (;;) {
        const parsed = parseAnswer(received);
        if (parsed !== undefined) {
          received = received.subarray(parsed.length);
          return parsed.answer;
        }
        if (over) throw new Error(`the connection ended after ${JSON.stringify(received.toString('latin1'))}`);
        await change();
      }
    },
    received: () => received.toString('utf8'),
    ended: async () => {
      while (!over) await change();
      return received.toString('latin1');
    },
    destroy: () => void socket.destroy(),
    reset: () => void tcp.resetAndDestroy(),
  };
}

function parseAnswer(bytes: Buffer): { readonly answer: RawAnswer; readonly length: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n');
  const headers = new Map(lines.map((line) => splitHeader(line)));
  const status = Number(statusLine.split(' ')[1]);
  const bodyAt = headEnd + 4;
  if (headers.get('transfer-encoding') === 'chunked') {
    const unchunked = readChunks(bytes, bodyAt);
    return unchunked && { answer: { status, headers, body: unchunked.body }, length: unchunked.end };
  }
  const end = bodyAt + Number(headers.get('content-length') ?? 0);
  if (bytes.length < end) return undefined;
  return { answer: { status, headers, body: bytes.toString('utf8', bodyAt, end) }, length: end };
}

function splitHeader(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

function readChunks(bytes: Buffer, from: number): { readonly body: string; readonly end: number } | undefined {
  const parts: Buffer[] = [];
  for (let at = from; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    at = lineEnd + 2 + size + 2;
    if (bytes.length < at) return undefined;
    if (size === 0) return { body: Buffer.concat(parts).toString('utf8'), end: at };
    parts.push(bytes.subarray(lineEnd + 2, at - 2));
  }
}
