import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../config/config.ts';
import { createMetrics, type Metrics } from '../metrics/metrics.ts';
import { createGauges } from './gauges.ts';

let dir: string;
let metrics: Metrics;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'logforge-gauges-'));
  for (const folder of ['logs', 'state', 'dlq']) mkdirSync(join(dir, folder));
  metrics = createMetrics({ defaultMetrics: false });
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(dir, { recursive: true, force: true });
});

function configure(version: 1 | 2) {
  const env = {
    LOGFORGE_VERSION: String(version),
    LOGFORGE_STORAGE_LOGS_DIR: join(dir, 'logs'),
    LOGFORGE_STORAGE_STATE_DIR: join(dir, 'state'),
    LOGFORGE_STORAGE_DLQ_DIR: join(dir, 'dlq'),
    LOGFORGE_STORAGE_ANALYTICS_DIR: join(dir, 'later'),
  };
  return loadConfig({ env }).config;
}

async function read(name: string): Promise<Record<string, number>> {
  const metric = await metrics.registry.getSingleMetric(name)?.get();
  return Object.fromEntries(metric?.values.map(({ labels, value }) => [Object.values(labels).join(), value]) ?? []);
}

const good = async () => ({ storage: { ok: true, detail: 'ok' } });

describe('at a scrape', () => {
  it('each folder that is there has its room', async () => {
    await createGauges({ config: configure(1), metrics, checkReadiness: good })();
    const free = await read('logforge_storage_free_bytes');
    const size = await read('logforge_storage_size_bytes');
    expect(Object.keys(free).sort()).toEqual(['dlq', 'logs', 'state']);
    expect(free.logs).toBeGreaterThan(0);
    expect(size.logs).toBeGreaterThanOrEqual(free.logs ?? 0);
  });

  it('the service is ready when every check passes', async () => {
    const bad = async () => ({ ...(await good()), kafka: { ok: false, detail: 'unavailable' } });
    await createGauges({ config: configure(1), metrics, checkReadiness: good })();
    expect(await read('logforge_ready')).toEqual({ '': 1 });
    await createGauges({ config: configure(1), metrics, checkReadiness: bad })();
    expect(await read('logforge_ready')).toEqual({ '': 0 });
  });

  it('a check that fails, or does not answer, does not hold the scrape', async () => {
    const fails = () => Promise.reject(new Error('broken'));
    await createGauges({ config: configure(1), metrics, checkReadiness: fails })();
    expect(await read('logforge_ready')).toEqual({ '': 0 });
    metrics.ready.set(1);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const scrape = createGauges({
      config: configure(1),
      metrics,
      checkReadiness: () => new Promise(() => undefined),
    })();
    await vi.advanceTimersByTimeAsync(2_000);
    await scrape;
    expect(await read('logforge_ready')).toEqual({ '': 0 });
  });
});

describe('from the start', () => {
  it('version 1 has no spool', async () => {
    createGauges({ config: configure(1), metrics, checkReadiness: good });
    expect(await read('logforge_pipeline')).toEqual({ '': 1 });
    expect(await read('logforge_spool_limit_bytes')).toEqual({ '': 0 });
  });

  it('version 2 says how large its spool may grow', async () => {
    createGauges({ config: configure(2), metrics, checkReadiness: good });
    expect(await read('logforge_pipeline')).toEqual({ '': 2 });
    expect(await read('logforge_spool_limit_bytes')).toEqual({ '': 1024 ** 3 });
  });
});
