import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { INSTALL_TIMEOUT_MS } from '../support/debian.ts';
import { knownSeries, seriesIn } from '../support/metric-names.ts';
import { ensurePrometheus, type Prometheus, startPrometheus } from '../support/prometheus.ts';
import { makeDirs, REPOSITORY, removeDirs, type Service, startService } from '../support/service.ts';
import { sharedBrokers } from '../support/shared-broker.ts';
import { createStream, startVersion2 } from '../support/version2.ts';

/*
 * A real Prometheus answers every query of every dashboard. It scrapes a real service of each version under light load.
 */
const FOLDER = join(REPOSITORY, 'deploy/grafana/dashboards');
const WAIT_MS = 60_000;

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
  }[];
}

const files = readdirSync(FOLDER).filter((file) => file.endsWith('.json'));
const dashboards = files.map((file) => ({
  file,
  // Files of this repository.
  dashboard: JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Dashboard,
}));

let direct: Service;
let queued: Service;
let prometheus: Prometheus;
let loaded: Promise<unknown>;
const stopLoad = new AbortController();

const targetOf = (service: Service): string => `127.0.0.1:${service.port}`;

beforeAll(ensurePrometheus, INSTALL_TIMEOUT_MS);

beforeAll(async () => {
  const dirs = await makeDirs();
  const config = join(dirs.root, 'config.yaml');
  const inputs = [
    { name: 'lines', type: 'tcp', addr: '127.0.0.1:0' },
    { name: 'files', type: 'file', format: 'auto', paths: [join(dirs.root, '*.ndjson')] },
  ];
  await writeFile(config, JSON.stringify({ inputs }));
  const env = { LOGFORGE_AGGREGATION_INTERVAL: '200ms' };
  direct = await startService({ dirs, args: ['--config', config], env });
  queued = await startVersion2(createStream(await sharedBrokers()));
  prometheus = await startPrometheus({ 'logforge-v1': targetOf(direct), 'logforge-v2': targetOf(queued) });
  loaded = Promise.all([direct, queued].map(({ url }) => load(url, stopLoad.signal)));
});

afterAll(async () => {
  stopLoad.abort();
  await loaded;
  await prometheus.stop();
  for (const service of [direct, queued]) {
    await service.stop();
    await removeDirs(service.dirs);
  }
});

describe('the dashboards', () => {
  it('have different names', () => {
    expect(files.sort()).toEqual(['errors.json', 'inputs.json', 'latency.json', 'overview.json', 'version-2.json']);
    expect(new Set(dashboards.map(({ dashboard }) => dashboard.uid)).size).toBe(files.length);
  });
});

for (const { file, dashboard } of dashboards) {
  describe(dashboard.title, () => {
    for (const { title, targets } of dashboard.panels) {
      targets.forEach(({ expr }, i) => {
        it(`${title}, ${i + 1}: returns data`, async () => {
          const known = await knownSeries();
          expect(seriesIn(expr).filter((name) => !known.has(name))).toEqual([]);
          const instance = targetOf(file === 'version-2.json' ? queued : direct);
          const query = expr.replaceAll('$instance', instance).replaceAll('$__rate_interval', '10s');
          expect(query).not.toContain('$');
          await expect.poll(() => hasData(query), { timeout: WAIT_MS, interval: 500 }).toBe(true);
        });
      });
    }
  });
}

async function hasData(query: string): Promise<boolean> {
  return (await prometheus.query(query)).some(({ value }) => Number.isFinite(value));
}

/** Light load of every kind: batches stored, repeated, refused, and with dead letters. */
async function load(url: string, signal: AbortSignal): Promise<void> {
  const record = (path: string) => `{"timestamp":"2025-11-22T15:23:00Z","path":"${path}","userAgent":"curl/8"}`;
  const post = (body: string, headers: Record<string, string> = {}, query = '') =>
    fetch(`${url}/logs${query}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body,
    });
  while (!signal.aborted) {
    await post(`[${record('/')},${record('/a')}]`);
    await post(`[${record('/once')}]`, { 'Idempotency-Key': 'always-the-same' });
    await post(`[${record(' ')}]`);
    await post(`[${record('/')},${record(' ')}]`, {}, '?invalid=skip');
    await fetch(`${url}/analytics?hour=2025-11-22T15`);
    await sleep(100, undefined, { signal }).catch(() => undefined);
  }
}
