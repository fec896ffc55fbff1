import type { Socket } from 'node:net';
import { ForwardedSocket } from '../logs/fast/forwarded-socket.ts';

/** The parser of node:http, which Node.js does not document: the number of bytes that it read, or an error. */
interface Parser {
  execute(bytes: Buffer): unknown;
  socket?: unknown;
}

const changed = new WeakSet<Parser>();

/**
 * This server ignores Upgrade (RFC 9110, 7.8), so what follows such a request is the next request. The parser of Node.js stops
 * reading after it, and Node.js drops the rest of the bytes that it gave to the parser: those are given back to the connection.
 * A parser serves many connections, one after the other, and is changed once.
 */
export function readAfterUpgrade(socket: Socket): void {
  const parser: unknown = 'parser' in socket ? socket.parser : undefined;
  if (!isParser(parser) || changed.has(parser)) return;
  changed.add(parser);
  const { execute } = parser;
  parser.execute = function executeAndGiveBack(bytes) {
    const { socket } = this;
    const read = execute.call(this, bytes);
    if (
      typeof read === 'number' &&
      read < bytes.length &&
      socket instanceof ForwardedSocket &&
      this.socket === socket
    ) {
      socket.giveBack(bytes.subarray(read));
    }
    return read;
  };
}

function isParser(parser: unknown): parser is Parser {
  return typeof parser === 'object' && parser !== null && 'execute' in parser && typeof parser.execute === 'function';
}
