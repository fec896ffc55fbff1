// FAST PATH. POST /logs in its plain form straight from the socket, read into the memory where the body will lie: a third
// of the CPU time that it takes behind node:http for one record, a quarter for a thousand (bench/http-path.ts). The rest
// of HTTP is left to node:http: it gets a connection whose first request is not plain, as it came, and one on which such
// a request comes later through a stream between the two.

import type { Socket } from 'node:net';
import { endLate } from '../../server/client-error.ts';
import { FastConnection, HEAD_END } from './connection.ts';
import type { FastPathContext, FastPathOptions, Watched } from './context.ts';
import { readPlainHead } from './plain-head.ts';

/** One read of a socket, where it does not go straight into a body: used by one connection after the other. */
const READ_BYTES = 64 * 1024;

export interface FastPath {
  /** Takes an accepted connection. */
  take(accepted: Socket): void;
  /** Ends every connection that waits for no answer. */
  closeIdle(): void;
  /** Cuts every connection. */
  closeAll(): void;
  /** Stops looking after timeouts; when no connection is left. */
  close(): void;
}

export function createFastPath(options: FastPathOptions): FastPath {
  const { limits, stalledMs } = options;
  const connections = new Set<Watched>();
  const shared = Buffer.allocUnsafeSlow(READ_BYTES);
  const dates = createDates();
  const context: FastPathContext = {
    ...options,
    shared,
    connections,
    flushSoon: createFlushSoon(),
    dates,
    keepAlive: Math.floor(limits.keepAliveTimeoutMs / 1000),
  };

  const sweep = () => {
    const now = performance.now();
    for (const connection of connections) connection.checkTime(now, stalledMs);
  };
  const shortest = Math.min(limits.headersTimeoutMs, limits.keepAliveTimeoutMs);
  const timer = setInterval(sweep, Math.min(1_000, Math.max(5, shortest / 4))).unref();

  return {
    take: (accepted) => watchFirstBytes(context, accepted),
    closeIdle: () => {
      for (const connection of connections) connection.closeIfIdle();
    },
    closeAll: () => {
      for (const connection of connections) connection.cut();
    },
    close: () => clearInterval(timer),
  };
}

/** Waits for the first bytes of a connection, which say who serves it. */
function watchFirstBytes(context: FastPathContext, accepted: Socket): void {
  const since = performance.now();
  const destroy = () => void accepted.destroy();
  const waiting: Watched = {
    checkTime: (now) => {
      if (now - since > context.limits.headersTimeoutMs) endLate(accepted);
    },
    closeIfIdle: () => accepted.destroySoon(),
    cut: destroy,
  };
  const forget = () => {
    context.connections.delete(waiting);
    accepted.off('error', destroy).off('end', destroy).off('close', forget).off('data', begin);
  };
  const begin = (first: Buffer) => {
    forget();
    const end = first.indexOf(HEAD_END);
    if (end !== -1 && readPlainHead(first.toString('latin1', 0, end)) !== undefined) {
      context.connections.add(new FastConnection(context, accepted, first));
    } else {
      context.toNode(accepted);
      accepted.unshift(first);
    }
  };
  context.connections.add(waiting);
  accepted.on('error', destroy).on('end', destroy).on('close', forget).on('data', begin);
}

function createFlushSoon(): FastPathContext['flushSoon'] {
  let due: Parameters<FastPathContext['flushSoon']>[0][] = [];
  const flushAll = () => {
    const connections = due;
    due = [];
    for (const connection of connections) connection.flush();
  };
  return (connection) => {
    // Behind the promises that are settled now: those of one commit are all settled together.
    if (due.push(connection) === 1) process.nextTick(flushAll);
  };
}

/** The time as the Date header has it, made anew once a second. */
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
