import type { Aggregate, Analytics } from '../analytics/analytics.ts';
import type { Refusal, ServiceStats } from '../live/live.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Clock } from '../model/clock.ts';
import type { LineStore } from '../model/line-store.ts';
import type { Registry } from '../model/registry.ts';
import type { SchemaType } from '../model/schema.ts';
import type { StreamName } from '../model/stream.ts';
import type { Records } from '../query/query.ts';
import type { handleOf } from '../runtime/socket-handle.ts';
import type { TlsFiles } from '../runtime/tls-files.ts';
import type { CheckReadiness, Ingest } from '../service/service.ts';
import type { HttpAuth } from './auth.ts';
import type { DashboardData } from './dashboard/dashboard.ts';
import type { BodyBuffers } from './logs/body-buffers.ts';
import type { SharedLimits } from './logs/shared-limits.ts';
import type { LogAccess } from './server/access-log.ts';
import type { HttpLimits } from './server/limits.ts';

/** The HTTP/1.1 edge of the service: it hands requests to the use cases of `service`. Made by `createHttpServer` in server/server.ts. */
export interface HttpServer {
  /** Starts accepting connections. Rejects with `cannot listen on …` when the address cannot be used. */
  listen(): Promise<{ readonly port: number; readonly address: string }>;

  /** From now on GET /ready says draining, POST /logs is answered 503, and every connection closes with its answer. */
  drain(): void;

  /**
   * Drains and stops accepting. Requests under way are answered. Clients that keep their connection open get a moment (a
   * quarter of the budget, at most a second) to learn it from an answer with `Connection: close`; then idle connections
   * are closed. Connections that are still open after `graceMs` milliseconds are cut. Resolves when no connection is
   * open. Never rejects; a second call waits for the first.
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
  /** Absent: plain HTTP. The server closes it. */
  readonly tls?: TlsFiles;
  /** Names under which the page, its data and the admin routes are served. Absent or empty: see `createHostCheck`. */
  readonly hosts?: readonly string[];
  readonly limits: HttpLimits;
  /** Where several threads share the port: the counts that they share, and the number of this thread, from 0. */
  readonly shared?: SharedLimits & { readonly thread: number };
  /** Memory for bodies. Absent: the server makes its own. */
  readonly bodyBuffers?: BodyBuffers;
  /** Finds what the fast path needs of a socket. Absent: as Node.js has it. Where it finds nothing, node:http serves alone. */
  readonly handleOf?: typeof handleOf;
  readonly auth: HttpAuth;
  readonly version: VersionInfo;

  /** The streams that there are: POST /logs/{stream} takes no other. */
  readonly streams: readonly StreamName[];
  /** Names of the mappings that POST /logs?map= takes. */
  readonly mappings: readonly string[];
  /** The same streams, with what was counted of each. */
  readonly listStreams: () => Promise<readonly StreamInfo[]>;
  readonly ingest: Ingest;
  readonly checkReadiness: CheckReadiness;
  readonly analytics: Analytics;
  readonly aggregate: Aggregate;
  readonly records: Records;
  readonly dashboard: DashboardData;
  /** Served under /registry and /schema. */
  readonly registry: Registry;
  /** Served under /store. Absent: the line store is off. */
  readonly lineStore?: StoredLines | undefined;
  /** Called for every batch, or part of one, that POST /logs refused. */
  readonly noteRefusal: (refusal: Refusal) => void;
  /** Called for every batch that was accepted: the address of its client, its records, and the bytes of its body. Absent: sources are not counted. */
  readonly noteSource?: (client: string, records: number, bytes: number) => void;
  /** Called once for every request, at its end. Absent: no access log. */
  readonly logAccess?: LogAccess;
  readonly metrics: Metrics;
  /** All metrics in the Prometheus text format, those of other threads included. */
  readonly metricsText: () => Promise<string>;
  /** What GET /stats answers. */
  readonly serviceStats: () => Promise<ServiceStats>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
}

/** The line store of a server. */
export interface StoredLines {
  readonly store: LineStore;
  /** Nothing is stored: POST /store/batch is answered 403. */
  readonly isReadOnly: boolean;
  /** Answers of GET /store/log and /store/files at once. Further ones are answered 503. */
  readonly maxReaders: number;
}

/** One stream, as GET /streams shows it. */
export interface StreamInfo {
  readonly name: StreamName;
  /** Names of the fields that every record has, in stored order. */
  readonly fields: readonly string[];
  /** The field whose text is a level. */
  readonly levelField: string | null;
  /** Fields by whose values the summaries count. */
  readonly countBy: readonly string[];
  /** The newest version of each subject that there is of the stream. */
  readonly schemas: readonly {
    readonly subject: string;
    readonly type: SchemaType;
    readonly version: number;
    readonly id: number;
  }[];
  /** Since the start, by their outcome. */
  readonly records: {
    readonly stored: number;
    readonly rejected: number;
    readonly deadLettered: number;
    readonly duplicate: number;
  };
  /** Stored since the start. */
  readonly bytes: number;
}

/** What GET /version answers. */
export interface VersionInfo {
  readonly version: string;
  readonly commit: string;
  readonly buildDate: string;
  readonly pipeline: 1 | 2;
  readonly node: string;
}
