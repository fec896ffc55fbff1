// Clients that do not read their answers. What is queued for them is memory of the service, so a connection on which no byte
// goes out for a while is cut, and earlier where all connections together have too many bytes queued.

import type { Socket } from 'node:net';
import type { CutReason } from '../../../metrics/metrics.ts';
import { unsentBytes } from '../../../runtime/socket-handle.ts';

/** Bytes of answers that wait on one connection before its next request is read. */
export const UNREAD_BYTES = 64 * 1024;

/** Watches what is queued in one socket. */
export class UnreadWatch {
  readonly #socket: Socket;
  #unsent = 0;
  #written = 0;
  /** The last time at which nothing was queued, a byte went out or more was queued. The last ends: see UNREAD_BYTES. */
  movedAt = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  bytes(): number {
    return this.#socket.writableLength;
  }

  /** Looks whether bytes went out. Returns true when bytes are queued and none went out for `limitMs`. */
  isOver(now: number, limitMs: number): boolean {
    const { writableLength, bytesWritten } = this.#socket;
    // A long answer is one write, which is queued until its last byte is out.
    const unsent = unsentBytes(this.#socket) ?? writableLength;
    const moved = writableLength === 0 || unsent < this.#unsent || bytesWritten !== this.#written;
    this.#unsent = unsent;
    this.#written = bytesWritten;
    if (moved) this.movedAt = now;
    return !moved && now - this.movedAt > limitMs;
  }
}

/** A connection with answers that its client may not read. */
export interface UnreadConnection {
  /** Bytes of answers that are queued for its client. */
  unreadBytes(): number;
  /** By `performance.now()`: the last time at which a byte went out. */
  unreadSince(): number;
  cutUnread(reason: CutReason): void;
}

/** Cuts connections until all together have at most `limit` bytes queued: first those on which nothing moved for longest. */
export function cutUnreadBeyond(limit: number, connections: Iterable<UnreadConnection>): void {
  let total = 0;
  const unread: UnreadConnection[] = [];
  for (const connection of connections) {
    const bytes = connection.unreadBytes();
    if (bytes === 0) continue;
    total += bytes;
    unread.push(connection);
  }
  if (total <= limit) return;
  unread.sort((a, b) => a.unreadSince() - b.unreadSince());
  for (const connection of unread) {
    if (total <= limit) return;
    total -= connection.unreadBytes();
    connection.cutUnread('too_many_unread');
  }
}
