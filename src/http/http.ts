import type { Aggregate, Analytics, HourTotals } from '../analytics/analytics.ts';
import type { Live, Refusal } from '../live/live.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Clock } from '../model/clock.ts';
import type { CheckReadiness, Ingest } from '../service/service.ts';
import type { BodyBuffers } from './logs/body-buffers.ts';

/** The edge of the service: HTTP/1.1 in, the use cases of `service` behind it. Made by `createHttpServer` in server.ts. */
export interface HttpServer {
  /** Starts accepting. Rejects with `cannot listen on …` when the address cannot be had. */
  listen(): Promise<{ readonly port: number; readonly address: string }>;

  /** From now on GET /ready says draining, POST /logs is answered 503, and every connection closes with its answer. */
  drain(): void;

  /**
   * Drains and stops accepting. Requests that were begun are answered; clients that keep their connection open get a
   * moment (a quarter of the budget, at most a second) to be told by an answer with `Connection: close`, then idle
   * connections are closed; what is left after `graceMs` milliseconds is cut. Resolves when no connection is open.
   * Never rejects; a second call waits for the first.
   */
  close(options: { readonly graceMs: number }): Promise<void>;
}

export interface HttpServerOptions {
  /** Absent or empty: every address, IPv6 and IPv4. */
  readonly host?: string;
  /** 0: the operating system chooses. */
  readonly port: number;
  /** SO_REUSEPORT: several threads or processes share the port and the kernel spreads the connections. */
  readonly reusePort?: boolean;
  readonly limits: HttpLimits;
  /** Where several threads share the port: what they count together, and which of them this is, from 0. */
  readonly shared?: SharedLimits & { readonly thread: number };
  /** Memory for bodies; the server's own when absent. */
  readonly bodyBuffers?: BodyBuffers;
  readonly auth: HttpAuth;
  readonly version: VersionInfo;

  readonly ingest: Ingest;
  readonly checkReadiness: CheckReadiness;
  readonly analytics: Analytics;
  readonly aggregate: Aggregate;
  readonly dashboard: DashboardData;
  /** Told of every batch, or part of one, that POST /logs did not take in. */
  readonly noteRefusal: (refusal: Refusal) => void;
  /** Told of every request when it is over. Absent: nobody asks. */
  readonly logAccess?: LogAccess;
  readonly metrics: Metrics;
  /** The whole exposition in the Prometheus text format, that of other threads included. */
  readonly metricsText: () => Promise<string>;
  readonly clock: Clock;
  readonly log: HttpLog;
}

export interface HttpLimits {
  /** Bounds a body as sent and, counted as it unpacks, as decoded. Beyond: 413. */
  readonly maxBodyBytes: number;
  /** Bounds the bodies in hand, as sent and as decoded, until they are answered. Beyond: 503. At least maxBodyBytes. */
  readonly maxInFlightBytes: number;
  /** From the connection, or the first byte of a later request, to the end of the headers. Beyond: 408. */
  readonly headersTimeoutMs: number;
  /** From the end of the headers to the end of the body. Beyond: 408. */
  readonly bodyTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** More are closed as they come. */
  readonly maxConnections: number;
  /** Batches of each key or, without auth, each client address. Beyond: 429. Absent: off. */
  readonly rateLimit?: { readonly requestsPerSecond: number; readonly burst: number };
}

/** Memory in which several threads count, so that `maxInFlightBytes` and `rateLimit` bound them together. */
export interface SharedLimits {
  readonly inFlight: SharedArrayBuffer;
  readonly buckets: SharedArrayBuffer;
}

export interface HttpAuth {
  readonly enabled: boolean;
  /** The header that carries the key; `Authorization: Bearer` is always understood too. */
  readonly headerName: string;
  readonly keys: readonly string[];
}

/** What the dashboard and the event streams show. */
export interface DashboardData {
  readonly live: Live;
  readonly hourTotals: HourTotals;
  /** The configuration in force, its secrets masked. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** What GET /version answers. */
export interface VersionInfo {
  readonly version: string;
  readonly commit: string;
  readonly buildDate: string;
  readonly pipeline: 1 | 2;
  readonly node: string;
}

/** One request that is over, for the access log. */
export interface AccessEntry {
  readonly requestId: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly status: number;
  /** Milliseconds from the request line to the end of the answer. */
  readonly ms: number;
  /** The client was gone before it had the whole answer. */
  readonly aborted?: true;
}
export type LogAccess = (entry: AccessEntry) => void;

/** Where this room writes its own log lines. */
export interface HttpLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}
