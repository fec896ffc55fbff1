// FAST PATH. Plain POST /logs requests, read straight from the socket into the memory of their bodies. That costs a third
// of the CPU time of node:http for one record, and a quarter for a thousand (bench/http-path.ts). node:http serves all
// other requests, from the first one on a connection that is not plain: through a stream in between (forwarded-socket.ts),
// which limits what a client can make it do at once.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { handleOf, type SocketHandle } from '../../../runtime/socket-handle.ts';
import { rawProblem } from '../../problem.ts';
import { endLate, endWith } from '../../server/client-error.ts';
import { FastConnection } from './connection.ts';
import type { FastPathContext, FastPathOptions, OpenConnection } from './context.ts';
import { forwardToNode } from './node-connection.ts';
import { HEAD_END, readPlainHead } from './plain-head.ts';
import { cutUnreadBeyond } from './unread.ts';

/** The size of one read that does not go straight into a body. */
const READ_BYTES = 64 * 1024;

export interface FastPath {
  /** Serves an accepted connection. */
  take(accepted: Socket): void;
  /** Ends every connection that waits for no answer. */
  closeIdle(): void;
  /** Cuts every connection. */
  closeAll(): void;
  /** Stops the timer that checks timeouts. To be called when no connection is open. */
  close(): void;
}

export function createFastPath(options: FastPathOptions): FastPath {
  const { limits, stalledMs, unreadMs, maxUnreadBytes } = options;
  const connections = new Set<OpenConnection>();
  const context: FastPathContext = {
    ...options,
    shared: Buffer.allocUnsafeSlow(READ_BYTES),
    connections,
    flushSoon: createFlushSoon(),
    dates: createDates(),
    keepAlive: Math.floor(limits.keepAliveTimeoutMs / 1000),
  };
  const handles = createHandles(options);

  const sweep = () => {
    const now = performance.now();
    for (const connection of connections) connection.checkTime(now, stalledMs);
    cutUnreadBeyond(maxUnreadBytes, connections);
  };
  const shortest = Math.min(limits.headersTimeoutMs, limits.keepAliveTimeoutMs, unreadMs);
  const timer = setInterval(sweep, Math.min(1_000, Math.max(5, shortest / 4))).unref();

  return {
    take: (accepted) => waitForFirstBytes(context, handles, accepted),
    closeIdle: () => {
      for (const connection of connections) connection.closeIfIdle();
    },
    closeAll: () => {
      for (const connection of connections) connection.cut();
    },
    close: () => clearInterval(timer),
  };
}

/** Finds handles, and says once when this Node.js has none that the fast path can use. */
function createHandles({ log, handleOf: find = handleOf }: FastPathOptions): typeof handleOf {
  let isMissing = false;
  return (accepted) => {
    const handle = find(accepted);
    if (handle === undefined && !isMissing) {
      isMissing = true;
      log.warn('this Node.js does not support the fast path; node:http serves all requests, with more CPU time', {
        node: process.version,
      });
    }
    return handle;
  };
}

/** The first bytes of a connection decide who serves it. */
function waitForFirstBytes(context: FastPathContext, handles: typeof handleOf, accepted: Socket): void {
  const since = performance.now();
  let isLate = false;
  const destroy = () => void accepted.destroy();
  const waiting: OpenConnection = {
    checkTime: (now) => {
      if (isLate || now - since <= context.limits.headersTimeoutMs) return;
      isLate = true;
      endLate(accepted, context.limits);
    },
    closeIfIdle: () => accepted.destroySoon(),
    cut: destroy,
    unreadBytes: () => 0,
    unreadSince: () => since,
    cutUnread: destroy,
  };
  const forget = () => {
    context.connections.delete(waiting);
    accepted.off('error', destroy).off('end', destroy).off('close', forget).off('data', begin);
  };
  const begin = (first: Buffer) => {
    if (isLate) return;
    forget();
    if (beginsTls(first) && !(accepted instanceof TLSSocket)) {
      refuseTls(context, accepted);
      return;
    }
    const handle = beginsPlain(first) ? handles(accepted) : undefined;
    if (handle !== undefined) serveFast(context, accepted, handle, first);
    else serveByNode(context, accepted, first);
  };
  context.connections.add(waiting);
  accepted.on('error', destroy).on('end', destroy).on('close', forget).on('data', begin);
}

function beginsPlain(first: Buffer): boolean {
  const end = first.indexOf(HEAD_END);
  return end !== -1 && readPlainHead(first, 0, end) !== undefined;
}

/** A record of a TLS handshake, of any version (RFC 8446, 5.1). */
function beginsTls(first: Buffer): boolean {
  return first[0] === 0x16 && (first[1] === 0x03 || first.length === 1);
}

/** The client will not read the answer as such; people who look at the bytes will. */
function refuseTls({ log }: FastPathContext, accepted: Socket): void {
  log.warn('a client speaks TLS to this port, which is plain HTTP; set server.tls, or use http://', {
    client: accepted.remoteAddress,
  });
  const detail = 'this port is plain HTTP, and the request is TLS; use http://';
  endWith(
    accepted.on('error', () => accepted.destroy()),
    rawProblem({ kind: 'bad-request', detail }),
  );
  accepted.resume();
}

function serveFast(context: FastPathContext, accepted: Socket, handle: SocketHandle, first: Buffer): void {
  context.connections.add(new FastConnection({ context, accepted, handle, first }));
}

function serveByNode(context: FastPathContext, accepted: Socket, first: Buffer): void {
  const forwarded = forwardToNode(context, accepted);
  const feed = (bytes: Buffer) => {
    if (!forwarded.feed(bytes)) accepted.pause();
  };
  accepted.on('data', feed);
  feed(first);
}

function createFlushSoon(): FastPathContext['flushSoon'] {
  let due: Parameters<FastPathContext['flushSoon']>[0][] = [];
  const flushAll = () => {
    const connections = due;
    due = [];
    for (const connection of connections) connection.flush();
  };
  return (connection) => {
    // After the promises that settle in this turn: those of one commit settle together.
    if (due.push(connection) === 1) process.nextTick(flushAll);
  };
}

/** The time in the form of the Date header, made once a second. */
function createDates(): () => string {
  let second = 0;
  let text = '';
  return () => {
    const now = Math.floor(Date.now() / 1_000);
    if (now !== second) {
      second = now;
      text = new Date(now * 1_000).toUTCString();
    }
    return text;
  };
}
