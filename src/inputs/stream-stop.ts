import { setImmediate as afterReads, setTimeout as pause } from 'node:timers/promises';

/** A sender from which nothing came for so long has nothing more in the kernel's buffers. */
const QUIET_MS = 50;
/** One that has sent within this time may be about to send more before it sees our end: it gets as long to end by itself. */
const BUSY_MS = 1_000;
const LOOK_MS = 10;

export interface Drained {
  readonly lastReadAt: number;
  /** The client sees our end, and can still send. */
  endOurSide(): void;
}

export interface DrainOptions<C extends Drained> {
  readonly server: { readonly listening: boolean; close(): unknown };
  /** Those that are open at the moment. */
  readonly connections: ReadonlySet<C>;
  /** Since when connections are read, by `performance.now()`; undefined while they wait. */
  readonly openSince: () => number | undefined;
  /** When the last connection was accepted. */
  readonly lastAcceptedAt: () => number;
  /** Closes a connection of which all is read, or whose time is over. */
  readonly close: (connection: C) => void;
}

/**
 * Reads what clients had sent until now, and closes their connections. A client that ends when it sees our end is read to its own; one that
 * goes on sending is read until `graceMs` are over. The server listens a moment longer, for connections that the kernel has accepted.
 */
export async function drain<C extends Drained>(options: DrainOptions<C>, graceMs: number): Promise<void> {
  const { server, connections, openSince, lastAcceptedAt, close } = options;
  const startedAt = performance.now();
  const deadline = startedAt + graceMs;
  for (const connection of connections) connection.endOurSide();
  while (performance.now() < deadline && (server.listening || connections.size > 0)) {
    await pause(LOOK_MS);
    // After a turn in which everything was read that was there, however long the turn before it took.
    await afterReads();
    const now = performance.now();
    const isQuietSince = (then: number, ms: number) => now - Math.max(then, startedAt) >= ms;
    if (server.listening && (isQuietSince(lastAcceptedAt(), QUIET_MS) || now - startedAt > graceMs / 4)) server.close();
    const since = openSince();
    if (since === undefined) continue;
    for (const connection of connections) {
      const { lastReadAt } = connection;
      const ms = lastReadAt > startedAt - BUSY_MS ? BUSY_MS : QUIET_MS;
      if (isQuietSince(Math.max(lastReadAt, since), ms)) close(connection);
    }
  }
  server.close();
  for (const connection of connections) close(connection);
}
