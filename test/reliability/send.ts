import { connect, type Socket } from 'node:net';
import { head } from '../attack/wire.ts';
import type { Answer, Sending } from '../support/workload.ts';

const NO_ANSWER: Answer = { status: 0, headers: {}, body: 'no answer' };
const PATIENCE_MS = 15_000;

export interface SendOptions {
  /** The connection is cut so long after the request was handed to the kernel. */
  readonly patienceMs?: number;
  /** Ends its own side after the request, and still reads the answer. */
  readonly halfCloses?: boolean;
  /** Sends only a share of the head, or the head and a share of the body. Never the whole request. */
  readonly part?: { readonly head: number } | { readonly body: number };
  /** Replaces the key of the batch. */
  readonly key?: string;
}

/** Sends a batch on a connection of its own, which is closed afterwards. Status 0: there was no whole answer. */
export async function send(port: number, batch: Sending, options: SendOptions = {}): Promise<Answer> {
  const { patienceMs = PATIENCE_MS, halfCloses = false } = options;
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  // Its end is seen by `close`.
  socket.on('error', () => undefined);
  const answer = readAnswer(socket);
  try {
    const connected = new Promise<true>((resolve) => void socket.once('connect', () => resolve(true)));
    const isOpen = await Promise.race([connected, answer.then(() => false)]);
    if (!isOpen) return NO_ANSWER;
    const isWritten = new Promise<void>((resolve) => socket.write(bytesOf(batch, options), () => resolve()));
    await Promise.race([isWritten, answer]);
    if (halfCloses) socket.end();
    const late = new Promise<Answer>((resolve) => {
      setTimeout(() => resolve(NO_ANSWER), patienceMs).unref();
    });
    return await Promise.race([answer, late]);
  } finally {
    socket.destroy();
  }
}

function bytesOf({ path, body, headers, key: ownKey }: Sending, { part, key = ownKey }: SendOptions): Buffer {
  const all = { ...headers, 'Content-Length': body.length, ...(key === undefined ? {} : { 'Idempotency-Key': key }) };
  const begin = Buffer.from(head(`POST ${path}`, all));
  if (part === undefined) return Buffer.concat([begin, body]);
  if ('head' in part) return begin.subarray(0, Math.floor(part.head * (begin.length - 1)));
  return Buffer.concat([begin, body.subarray(0, Math.floor(part.body * body.length))]);
}

/** The first answer on a connection. It has a Content-Length, as all answers of POST /logs have. */
function readAnswer(socket: Socket): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  let received = Buffer.alloc(0);
  socket.on('data', (part: Buffer) => {
    received = Buffer.concat([received, part]);
    const answer = parseAnswer(received);
    if (answer !== undefined) resolve(answer);
  });
  socket.on('end', () => resolve(NO_ANSWER));
  socket.on('close', () => resolve(NO_ANSWER));
  return promise;
}

function parseAnswer(bytes: Buffer): Answer | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const length = Number(headers['content-length']);
  if (bytes.length < end + 4 + length) return undefined;
  return { status: Number(first.slice(9, 12)), headers, body: bytes.toString('utf8', end + 4, end + 4 + length) };
}
