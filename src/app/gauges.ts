import { statfs } from 'node:fs/promises';
import type { Config } from '../config/config.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { CheckReadiness } from '../service/service.ts';

/** A check that takes longer counts as failed: a scrape has little time itself. Milliseconds. */
const CHECK_TIMEOUT_MS = 2_000;

/** Sets the gauges that never change. Returns what a scrape calls: it reads whether the service is ready and its disks have room. */
export function createGauges(options: {
  readonly config: Pick<Config, 'version' | 'pipeline' | 'storage' | 'queue'>;
  readonly metrics: Metrics;
  readonly checkReadiness: CheckReadiness;
}): () => Promise<void> {
  const { config, metrics, checkReadiness } = options;
  const { spool } = config.queue;
  metrics.pipeline.set(config.version);
  metrics.spoolLimitBytes.set(config.pipeline === 'queued' && spool.enabled ? spool.maxBytes : 0);
  const { logsDir, analyticsDir, stateDir, dlqDir } = config.storage;
  const folders = { logs: logsDir, analytics: analyticsDir, state: stateDir, dlq: dlqDir };

  return async function readHealth() {
    const room = Object.entries(folders).map(([folder, path]) => readRoom(metrics, folder, path));
    const [isReady] = await Promise.all([passes(checkReadiness), ...room]);
    metrics.ready.set(isReady ? 1 : 0);
  };
}

/** A folder that does not exist, as analytics before the first summary, has no figures. */
async function readRoom(metrics: Metrics, folder: string, path: string): Promise<void> {
  try {
    const { bavail, blocks, bsize } = await statfs(path);
    metrics.storageFreeBytes.labels(folder).set(bavail * bsize);
    metrics.storageSizeBytes.labels(folder).set(blocks * bsize);
  } catch {
    metrics.storageFreeBytes.remove(folder);
    metrics.storageSizeBytes.remove(folder);
  }
}

async function passes(checkReadiness: CheckReadiness): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), CHECK_TIMEOUT_MS);
  });
  const passed = async () => Object.values(await checkReadiness()).every(({ ok }) => ok);
  try {
    return await Promise.race([passed().catch(() => false), late]);
  } finally {
    clearTimeout(timer);
  }
}
