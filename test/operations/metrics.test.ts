import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkExposition } from '../../scripts/metrics-check.ts';
import { INSTALL_TIMEOUT_MS } from '../support/debian.ts';
import { ensurePrometheus } from '../support/prometheus.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';

let service: Service;

beforeAll(ensurePrometheus, INSTALL_TIMEOUT_MS);

beforeAll(async () => {
  service = await startService({ env: { LOGFORGE_SERVER_THREADS: '2' } });
});
afterAll(async () => {
  await service.stop();
  await removeDirs(service.dirs);
});

async function scrape(): Promise<string> {
  return (await fetch(`${service.url}/metrics`)).text();
}

function lint(text: string): string {
  const { stderr, stdout } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  return stderr + stdout;
}

describe('what a service exposes', () => {
  it('has a valid form and the promised names, and its accounting balances', async () => {
    const post = (body: string, query = '') =>
      fetch(`${service.url}/logs${query}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-ndjson' },
        body,
      });
    const record = '{"timestamp":"2025-11-22T15:23:00Z","path":"/home","userAgent":"curl/8"}\n';
    expect((await post(record.repeat(3))).status).toBe(202);
    expect((await post(`${record}{}\n`, '?invalid=skip')).status).toBe(202);
    expect((await post('{}\n')).status).toBe(400);
    const text = await scrape();
    expect(await checkExposition(text, lint(text))).toEqual([]);
    expect(text).toMatch(/^logforge_records_received_total 6$/m);
    expect(text).toMatch(/^logforge_records_total\{outcome="stored"\} 4$/m);
    expect(text).toMatch(/^logforge_ready 1$/m);
    expect(text).toMatch(/^logforge_pipeline 1$/m);
  });
});

describe('the check', () => {
  it('finds accounting that does not balance, missing names and undeclared names', async () => {
    const text = (await scrape())
      .replace(/^logforge_records_received_total .*$/m, 'logforge_records_received_total 999')
      .replace(/^logforge_records_unaccounted .*$/m, 'logforge_records_unaccounted 7')
      .replace(/^kafka_up /m, 'kafka_upp ');
    const problems = await checkExposition(text, '');
    expect(problems).toContain('logforge_records_unaccounted: 7 records');
    expect(problems).toContain('kafka_up: missing');
    expect(problems).toContain('kafka_upp: not declared in src/metrics');
    expect(
      problems.some((problem) => problem.startsWith('the accounting does not balance: 999 records received')),
    ).toBe(true);
  });
});
