import { mkdir, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Client, createClient } from '../support/client.ts';
import { makeDirs, removeDirs, type Service, type ServiceOptions, startService } from '../support/service.ts';

vi.setConfig({ testTimeout: 120_000 });
const soon = <T>(read: () => T) => expect.poll(read, { timeout: 30_000 });

async function start(options: ServiceOptions = {}): Promise<{ service: Service; client: Client }> {
  const service = await startService(options);
  const client = createClient(service.port, { connections: 64 });
  onTestFinished(async () => {
    client.close();
    await service.stop('SIGKILL');
    await removeDirs(service.dirs);
  });
  return { service, client };
}

/** An event stream, and all that came on it. */
async function watch(service: Service, path: string) {
  const parts: string[] = [];
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = get(`${service.url}${path}`, { agent: false }, resolve);
    request.on('error', reject);
    onTestFinished(() => void request.destroy());
  });
  expect(response.statusCode).toBe(200);
  response.on('error', () => {});
  response.setEncoding('utf8').on('data', (part: string) => parts.push(part));
  return { response, text: () => parts.join('') };
}

function batch(count: number, path: string): string {
  const record = { timestamp: '2026-01-01T10:00:00Z', path, userAgent: 'a' };
  return JSON.stringify(Array.from({ length: count }, (_, i) => ({ ...record, i })));
}

describe.each([['1'], ['2']])('with %s threads', (threads) => {
  const env = { LOGFORGE_SERVER_THREADS: threads };

  test('every stream tells what came in on any connection', async () => {
    const { service, client } = await start({ env });
    // Enough connections that the kernel gives some to each thread.
    const streams = await Promise.all(Array.from({ length: 8 }, () => watch(service, '/events')));
    await Promise.all(Array.from({ length: 32 }, (_, i) => client.post(batch(10, `/${i}`))));
    await client.post('[{"path":"/"}]', { 'X-Request-Id': 'refused-1' });
    for (const { text } of streams) {
      await soon(text).toContain('"requestId":"refused-1"');
      await soon(text).toMatch(/"totals":\{[^}]*"accepted":320,"stored":320,"rejected":1,/);
    }
    const { stats, history } = JSON.parse((await client.get('/api/overview')).body);
    expect([stats.totals.batches, stats.totals.refusedBatches, stats.openFiles]).toEqual([33, 1, 1]);
    expect(history[0].accepted.reduce((sum: number, each: number) => sum + each, 0)).toBeGreaterThan(0);
    expect(stats.sync.p99).toBeGreaterThan(0);
  });

  test('every tail shows what was accepted on any connection, by its filter', async () => {
    const { service, client } = await start({ env });
    const kinds = ['even', 'odd'];
    const tails = await Promise.all(
      Array.from({ length: 6 }, (_, i) => watch(service, `/events/tail?path=${kinds[i % 2]}`)),
    );
    for (let i = 0; i < 20; i++) await client.post(batch(3, `/${kinds[i % 2]}/${i}`));
    for (const [i, { text }] of tails.entries()) {
      await soon(() => text().match(/^data: \{/gm)?.length).toBe(30);
      expect(text()).not.toContain(`"path":"/${kinds[(i + 1) % 2]}/`);
      expect(text()).not.toContain('left-out');
    }
  });

  test('a flood is shown in part, counted whole, and not held up', async () => {
    const { service, client } = await start({ env });
    const tail = await watch(service, '/events/tail');
    const stuck = await watch(service, '/events/tail');
    stuck.response.pause();
    const body = batch(2_000, `/${'x'.repeat(100)}`);
    const sent = 60;
    for (let i = 0; i < sent; i += 4) {
      const answers = await Promise.all(Array.from({ length: 4 }, () => client.post(body)));
      expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202]);
    }
    const total = () => {
      const shown = tail.text().match(/^data: \{/gm)?.length ?? 0;
      const counts = [...tail.text().matchAll(/^event: left-out\ndata: (\d+)$/gm)].map(([, count]) => Number(count));
      return shown + counts.reduce((sum, count) => sum + count, 0);
    };
    await soon(total).toBe(sent * 2_000);
  });
});

test('an hour with a million paths holds up neither the page nor those who send', async () => {
  const dirs = await makeDirs();
  const paths = Array.from({ length: 1_000_000 }, (_, i) => `    "/p/${i}": ${i < 5 ? 100 - i : 1}`);
  const day = join(dirs.analytics, '2026-01-01');
  await mkdir(day);
  const total = paths.length + 490 - 5;
  const summary = `{
  "hour": "2026-01-01T10:00:00Z",
  "totalRequests": ${total},
  "requestsPerPath": {
${paths.join(',\n')}
  },
  "requestsPerUserAgent": {
    "a": ${total}
  },
  "source": {
    "bytes": 1,
    "records": ${total},
    "skippedLines": 0
  }
}
`;
  await writeFile(join(day, 'summary_10.json'), summary);
  const { client } = await start({ dirs });
  const range = 'from=2026-01-01T00&to=2026-01-02T00';
  const begun = performance.now();
  const totals = JSON.parse((await client.get(`/api/hours?${range}`)).body).totals;
  expect(totals[10]).toBe(total);
  // Without reading what is in it.
  expect(performance.now() - begun).toBeLessThan(1_000);

  let asking = true;
  const answer = client.get(`/api/breakdown?${range}`).finally(() => {
    asking = false;
  });
  let slowest = 0;
  while (asking) {
    const sent = performance.now();
    expect((await client.post(batch(1, '/while'))).status).toBe(202);
    slowest = Math.max(slowest, performance.now() - sent);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const breakdown = JSON.parse((await answer).body);
  const [table] = breakdown.dimensions;
  expect(table.largest.slice(0, 2)).toEqual([
    ['/p/0', 100],
    ['/p/1', 99],
  ]);
  expect([table.name, table.largest.length, table.distinct, breakdown.total]).toEqual(['path', 100, 1_000_000, total]);
  // Reading and sorting a million takes seconds; whoever sends meanwhile must not wait for it.
  expect(slowest).toBeLessThan(1_000);
  const found = JSON.parse((await client.get(`/api/breakdown?${range}&search=/P/77777`)).body);
  expect([found.dimensions[0].distinct, found.total]).toEqual([11, total]);
});

test('what is on disk is counted, on any connection and as metrics', async () => {
  const { service, client } = await start({ env: { LOGFORGE_SERVER_THREADS: '2' } });
  const body = batch(100, '/stored');
  expect((await client.post(body)).status).toBe(202);
  const lines = JSON.parse(body)
    .map((record: object) => `${JSON.stringify(record)}\n`)
    .join('');
  const read = async () => JSON.parse((await client.get('/api/disk')).body);
  await soon(async () => (await read()).days).toEqual([{ day: '2026-01-01', plain: lines.length, zstd: 0 }]);
  const sample = `logforge_disk_bytes{stream="access",form="plain"} ${lines.length}\n`;
  await soon(async () => (await client.get('/metrics')).body).toContain(sample);
  expect((await read()).other.journal).toBeGreaterThan(0);
  expect(await service.stop()).toEqual({ code: 0, signal: null });
});
