/*
 * What a test can order of the disk and of the clock of a service that runs. `control.ts` is the side of the test. `preload.ts` is the
 * side of the service: `node --import` loads it in every thread before the program.
 *
 *   test                       Unix socket                    each thread of the service
 *   control.ts  ── State, one line of JSON each ──►  preload.ts ─► order-book.ts ─► disk-edge.ts, clock-edge.ts
 *               ◄── Report, one line of JSON each ──
 */

export type Operation =
  | 'open'
  | 'read'
  | 'write'
  | 'sync'
  | 'syncFolder'
  | 'truncate'
  | 'remove'
  | 'rename'
  | 'makeFolder'
  | 'list';

/** The errors that Linux gives for a file. */
export type DiskErrorCode = 'EIO' | 'ENOSPC' | 'EDQUOT' | 'EROFS' | 'EMFILE' | 'EINTR' | 'EACCES';

export type DiskFault =
  /** The operation fails and changes nothing. */
  | { readonly kind: 'error'; readonly code: DiskErrorCode }
  /** A write or a read that does a share of its bytes, at least one, and says so. */
  | { readonly kind: 'short'; readonly share: number }
  /** A write of which a share reaches the file, though it fails. */
  | { readonly kind: 'partial'; readonly share: number; readonly code: DiskErrorCode }
  /**
   * A sync that fails once. As on Linux the pages count as clean afterwards, and the next sync succeeds. Here they are also dropped
   * at once: the bytes written since the last sync are again what they were, or zeros.
   */
  | { readonly kind: 'lose'; readonly code: DiskErrorCode }
  /** The operation takes longer: by `ms`, and up to `jitterMs` more, drawn from `seed`. */
  | { readonly kind: 'delay'; readonly ms: number; readonly jitterMs: number; readonly seed: number };

export interface DiskOrder {
  readonly operations: readonly Operation[];
  /** The source of a regular expression, for the whole path. */
  readonly path: string;
  /** Operations that it lets pass first. Absent: 0. */
  readonly skip?: number;
  /** Operations that it then strikes. Absent: all, until it is lifted. Each thread counts its own; one thread writes a file. */
  readonly times?: number;
  readonly fault: DiskFault;
}

export interface NumberedOrder extends DiskOrder {
  readonly id: number;
}

/** All that holds from now on. It replaces the state before; an order with the same id goes on counting. */
export interface State {
  readonly number: number;
  readonly orders: readonly NumberedOrder[];
  /** Added to the real time. */
  readonly clockOffsetMs: number;
}

export type Report =
  /** The state of this number holds in the thread. */
  | { readonly kind: 'holds'; readonly number: number }
  | { readonly kind: 'struck'; readonly id: number; readonly operation: Operation; readonly path: string };

/** The environment variable with the path of the socket. */
export const SOCKET_VARIABLE = 'TEST_PRELOAD_SOCKET';

/** Cuts what was received into whole lines of JSON. */
export function createLineReader(onLine: (line: string) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  };
}
