import { type Config, toListenAddress } from '../config/config.ts';
import { describeDamage } from '../disk/damaged-files.ts';
import { diskFileSystem } from '../disk/file-system.ts';
import { makeFolder } from '../disk/folders.ts';
import { lockDirectories } from '../disk/lock.ts';
import { createRegistryServer } from '../http/registry/registry-server.ts';
import type { Log } from '../log.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { createLifecycle } from '../runtime/lifecycle.ts';
import type { Service } from './app.ts';
import { openServerTls } from './http-tls.ts';
import { startRegistry } from './registry.ts';

/** The schema registry alone: its own folder, its own port. Rejects, with everything stopped again, when it cannot start. */
export async function startRegistryService(options: {
  readonly config: Config;
  readonly addr: string;
  readonly dir: string;
  readonly log: Log;
}): Promise<Omit<Service, 'failed'>> {
  const { config, log } = options;
  const lifecycle = createLifecycle(log);
  try {
    return { addr: await start(options, lifecycle), stop: (budgetMs) => lifecycle.stop(budgetMs) };
  } catch (error) {
    await lifecycle.stop(config.server.shutdownTimeout);
    throw error;
  }
}

async function start(
  { config, addr: wanted, dir, log }: Parameters<typeof startRegistryService>[0],
  lifecycle: ReturnType<typeof createLifecycle>,
): Promise<string> {
  await makeFolder(diskFileSystem, dir, true);
  const lock = lockDirectories([dir]);
  lifecycle.started('lock', async () => lock.release());
  const metrics = createMetrics({ defaultMetrics: false });
  const { registry, store, checks } = await startRegistry({ registry: config.registry, dir, metrics, log, lifecycle });
  const { host, port: wantedPort } = toListenAddress(wanted);
  const { server, auth } = config;
  const tls = openServerTls(server, log);
  const http = createRegistryServer({
    ...(host !== undefined && { host }),
    port: wantedPort,
    ...(tls !== undefined && { tls }),
    hosts: server.hosts,
    auth,
    limits: {
      headersTimeoutMs: server.headersTimeout,
      bodyTimeoutMs: server.bodyTimeout,
      maxConnections: server.maxConnections,
    },
    registry,
    checkReadiness: () => checkReadiness({ storage: () => store.check(), ...checks }, dir),
    log,
  });
  const { address, port } = await http.listen();
  lifecycle.started('http', (budgetMs) => http.close({ graceMs: budgetMs - Math.min(1_000, budgetMs / 4) }));
  const addr = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  log.info('listening', { addr, registry: dir });
  return addr;
}

async function checkReadiness(probes: Readonly<Record<string, () => Promise<void>>>, dir: string) {
  const results = Object.entries(probes).map(async ([name, probe]) => {
    const detail = await probe().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    return [name, { ok: detail === undefined, detail: detail ?? 'ok' }] as const;
  });
  const damage = await describeDamage(dir);
  return {
    ...Object.fromEntries(await Promise.all(results)),
    ...(damage !== undefined && { damage: { ok: true, detail: damage } }),
  };
}
