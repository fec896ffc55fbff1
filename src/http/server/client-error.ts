import type { Socket } from 'node:net';
import { type Problem, rawProblem } from '../problem.ts';
import type { Connections } from './connections.ts';

/** How long a client is given to read its last answer, in milliseconds. */
const LINGER_MS = 1_000;

/**
 * What to do when the parser gives up on a connection, or it takes too long: answer what was asked before, then say what
 * is wrong if that can be told apart from those answers, and close.
 */
export function createClientErrorListener(connections: Connections): (error: Error, socket: Socket) => void {
  return (error, socket) => {
    const code = 'code' in error ? String(error.code) : '';
    const connection = connections.get(socket);
    if (connection === undefined || !socket.writable || code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    if (connection.closing) return;
    connection.closing = true;

    const { newest } = connection;
    const inBody = newest !== undefined && !newest.complete;
    if (inBody && newest.sink !== undefined) newest.sink.fail(isTimeout(code) ? 'timeout' : 'malformed');
    else if (connection.open > 0) return;
    else if (inBody) socket.destroySoon();
    else endWith(socket, rawProblem(problemOf(code, error)));
  };
}

/** Sends the last answer and leaves the client a moment to read it: closing at once could take it away again. */
export function endWith(socket: Socket, answer: string): void {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once('close', () => clearTimeout(timer));
  socket.end(answer);
}

function isTimeout(code: string): boolean {
  return code === 'ERR_HTTP_REQUEST_TIMEOUT';
}

function problemOf(code: string, error: Error): Problem {
  if (isTimeout(code)) return { kind: 'timeout', detail: 'the headers did not arrive in time' };
  if (code === 'HPE_HEADER_OVERFLOW')
    return { kind: 'headers-too-large', detail: 'the headers are larger than 16 KiB' };
  return { kind: 'bad-request', detail: `the request is not HTTP/1.1: ${error.message}` };
}

/** Says that the head took too long, and closes. */
export function endLate(socket: Socket): void {
  endWith(socket, rawProblem({ kind: 'timeout', detail: 'the headers did not arrive in time' }));
}
