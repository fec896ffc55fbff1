import { type Config, toListenAddress } from '../config/config.ts';
import type { VersionInfo } from '../http/http.ts';
import { createStoreServer } from '../http/store/store-server.ts';
import type { Log } from '../log.ts';
import { createMetrics, writeExposition } from '../metrics/metrics.ts';
import { createLifecycle, type Lifecycle } from '../runtime/lifecycle.ts';
import type { Service } from './app.ts';
import { openServerTls } from './http-tls.ts';
import { toHttpLimits } from './http-worker.ts';
import { startLineStore } from './line-store.ts';
import { checkAll } from './readiness.ts';

export interface StoreServiceOptions {
  readonly config: Config;
  readonly addr: string;
  /** Of the database. */
  readonly path: string;
  /** Nothing is stored; another process may write. */
  readonly readOnly: boolean;
  readonly build: Omit<VersionInfo, 'pipeline'>;
  readonly log: Log;
}

/** The line store alone, on its own port. Rejects, with everything stopped again, when it cannot start. */
export async function startStoreService(options: StoreServiceOptions): Promise<Omit<Service, 'failed'>> {
  const lifecycle = createLifecycle(options.log);
  try {
    return { addr: await start(options, lifecycle), stop: (budgetMs) => lifecycle.stop(budgetMs) };
  } catch (error) {
    await lifecycle.stop(options.config.server.shutdownTimeout);
    throw error;
  }
}

async function start(options: StoreServiceOptions, lifecycle: Lifecycle): Promise<string> {
  const { config, path, readOnly, build, log } = options;
  const metrics = createMetrics({ defaultMetrics: true });
  metrics.buildInfo.labels(build.version, build.commit, build.node).set(1);
  const store = await startLineStore({ store: { ...config.store, path }, readOnly, lifecycle });
  const { host, port: wantedPort } = toListenAddress(options.addr);
  const { server, auth, logging } = config;
  const tls = openServerTls(server, log);
  const http = createStoreServer({
    ...(host !== undefined && { host }),
    port: wantedPort,
    ...(tls !== undefined && { tls }),
    hosts: server.hosts,
    limits: toHttpLimits({ ...server, threads: 1 }),
    auth,
    version: { ...build, pipeline: config.version },
    lineStore: { store, isReadOnly: readOnly, maxReaders: config.store.maxReaders },
    checkReadiness: () => checkAll({ lineStore: () => store.check() }),
    ...(logging.access && { logAccess: (entry) => log.info('request', { ...entry, fold: false }) }),
    metrics,
    metricsText: () => writeExposition(metrics, []),
    log,
  });
  const { address, port } = await http.listen();
  lifecycle.started('http', (budgetMs) => http.close({ graceMs: budgetMs - Math.min(1_000, budgetMs / 4) }));
  const addr = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  log.info('listening', { addr, store: path, readOnly });
  return addr;
}
