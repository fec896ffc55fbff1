import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Problem, rawProblem } from '../problem.ts';
import { formatMs } from '../quantity.ts';
import { afterAnswers, type Connections } from './connections.ts';
import type { HttpLimits } from './limits.ts';

/** How long a client is given to read its last answer, in milliseconds. */
const LINGER_MS = 1_000;

/**
 * Handles a connection that the parser cannot read, or that takes too long. Earlier requests are answered first. Then the
 * error is answered, where the client can tell it from those answers, and the connection closes.
 */
export function createClientErrorListener(
  connections: Connections,
  limits: Pick<HttpLimits, 'headersTimeoutMs'>,
): (error: Error, socket: Socket) => void {
  return (error, socket) => {
    const code = 'code' in error ? String(error.code) : '';
    const connection = connections.get(socket);
    // Of bytes that came after those of the last answer.
    if (connection?.closing && code !== 'ECONNRESET') return;
    if (connection === undefined || !socket.writable || code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    connection.closing = true;
    // They would be given to the parser again, in the time in which the client reads the answer.
    connection.paced.ignoreRest();
    // Bytes after a request that closes the connection: nobody answers them.
    if (code === 'HPE_CLOSED_CONNECTION') {
      if (connection.open === 0) afterAnswers(connection, () => socket.destroySoon());
      return;
    }

    const { newest } = connection;
    const inBody = newest !== undefined && !newest.complete;
    if (inBody && newest.sink !== undefined) newest.sink.fail(isTimeout(code) ? 'timeout' : 'malformed');
    else if (connection.open > 0) return;
    else if (inBody) afterAnswers(connection, () => socket.destroySoon());
    else afterAnswers(connection, () => endWith(socket, rawProblem(problemOf(code, error, limits))));
  };
}

/** Refuses CONNECT, after which node:http reads the connection no more. Earlier requests are answered first. */
export function createConnectListener(connections: Connections): (request: unknown, socket: Duplex) => void {
  return (_, socket) => {
    const connection = connections.get(socket);
    if (connection === undefined || connection.closing) return;
    connection.closing = true;
    socket.on('error', () => socket.destroy());
    const problem: Problem = { kind: 'method-not-allowed', detail: 'method CONNECT is not allowed; this is no proxy' };
    if (connection.open === 0) afterAnswers(connection, () => endWith(connection.socket, rawProblem(problem)));
  };
}

/** Sends the last answer and gives the client a moment to read it: a close at once could destroy it on the way. */
export function endWith(socket: Socket, answer: string): void {
  // From the last byte on. Until then the deadline of a client that does not read counts.
  socket.end(answer, () => {
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once('close', () => clearTimeout(timer));
  });
}

function isTimeout(code: string): boolean {
  return code === 'ERR_HTTP_REQUEST_TIMEOUT';
}

function problemOf(code: string, error: Error, limits: Pick<HttpLimits, 'headersTimeoutMs'>): Problem {
  if (isTimeout(code)) return lateHeaders(limits);
  if (code === 'HPE_HEADER_OVERFLOW')
    return { kind: 'headers-too-large', detail: 'the headers are larger than 16 KiB' };
  return { kind: 'bad-request', detail: `the request is not HTTP/1.1: ${error.message}` };
}

/** Answers 408 to a client whose headers took too long, and closes. */
export function endLate(socket: Socket, limits: Pick<HttpLimits, 'headersTimeoutMs'>): void {
  endWith(socket, rawProblem(lateHeaders(limits)));
}

function lateHeaders({ headersTimeoutMs }: Pick<HttpLimits, 'headersTimeoutMs'>): Problem {
  const detail = `the headers did not arrive within ${formatMs(headersTimeoutMs)} (server.headersTimeout)`;
  return { kind: 'timeout', detail };
}
