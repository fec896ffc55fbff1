import type { Socket } from 'node:net';
import type { LogAccess } from '../../server/access-log.ts';
import type { HttpLimits } from '../../server/limits.ts';
import type { RequestId } from '../../server/request-id.ts';
import type { HandleLogs } from '../logs.ts';

export interface FastPathOptions {
  readonly handleLogs: HandleLogs;
  readonly requestId: RequestId;
  readonly observe: (statusClass: number, seconds: number) => void;
  readonly logAccess: LogAccess | undefined;
  readonly isDraining: () => boolean;
  readonly limits: Pick<HttpLimits, 'headersTimeoutMs' | 'keepAliveTimeoutMs'>;
  /** A connection on which nothing moves for this long is cut, whatever it waits for. */
  readonly stalledMs: number;
  /** Serves a connection by node:http from now on. */
  readonly toNode: (socket: Socket) => void;
}

/** An open connection, of which nothing or something has been read. */
export interface Watched {
  checkTime(now: number, stalledMs: number): void;
  closeIfIdle(): void;
  cut(): void;
}

/** What its connections share. */
export interface FastPathContext extends FastPathOptions {
  readonly shared: Buffer;
  readonly connections: Set<Watched>;
  /** Calls `flush` of a connection when all answers of this turn are made: those of one connection go out in one write. */
  readonly flushSoon: (connection: { flush(): void }) => void;
  readonly dates: () => string;
  /** Seconds, as Keep-Alive says them. */
  readonly keepAlive: number;
}
