import type { Log } from '../../../log.ts';
import type { CutReason } from '../../../metrics/metrics.ts';
import type { handleOf } from '../../../runtime/socket-handle.ts';
import type { LogAccess } from '../../server/access-log.ts';
import type { HttpLimits } from '../../server/limits.ts';
import type { RequestId } from '../../server/request-id.ts';
import type { HandleLogs } from '../logs.ts';
import type { ForwardedSocket } from './forwarded-socket.ts';
import type { UnreadConnection } from './unread.ts';

export interface FastPathOptions {
  /** Of every plain request. */
  readonly handlePost: HandleLogs;
  readonly requestId: RequestId;
  readonly observe: (url: string, statusClass: number, seconds: number) => void;
  readonly logAccess: LogAccess | undefined;
  readonly isDraining: () => boolean;
  readonly limits: Pick<HttpLimits, 'headersTimeoutMs' | 'keepAliveTimeoutMs'>;
  readonly log: Pick<Log, 'warn'>;
  /** A connection on which nothing moves for this long is cut, whatever it waits for. */
  readonly stalledMs: number;
  /** A client that takes no byte of its answers for this long is cut. */
  readonly unreadMs: number;
  /** Bytes of answers that may be queued on all connections. */
  readonly maxUnreadBytes: number;
  /** Called before a connection is cut because its client does not read. */
  readonly onCut: (reason: CutReason, client: string | undefined) => void;
  /** Hands a connection over to node:http. */
  readonly toNode: (socket: ForwardedSocket) => void;
  /** The handle of an accepted socket. Where there is none, node:http serves the connection. */
  readonly handleOf?: typeof handleOf | undefined;
}

/** An open connection: of the fast path, or one that node:http serves. */
export interface OpenConnection extends UnreadConnection {
  checkTime(now: number, stalledMs: number): void;
  closeIfIdle(): void;
  cut(): void;
}

/** What the connections share. */
export interface FastPathContext extends FastPathOptions {
  /** Memory for reads that do not go into a body. One read uses it at a time. */
  readonly shared: Buffer;
  readonly connections: Set<OpenConnection>;
  /** Calls `flush` of a connection after all answers of this turn are made, so that one write sends them. */
  readonly flushSoon: (connection: { flush(): void }) => void;
  readonly dates: () => string;
  /** Seconds, for the Keep-Alive header. */
  readonly keepAlive: number;
}
