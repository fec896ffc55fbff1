import { existsSync } from 'node:fs';
import { link, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createClient } from '../support/client.ts';
import { runLogforge } from '../support/run.ts';
import { type Dirs, makeDirs, removeDirs, type Service, serviceEnv, startService } from '../support/service.ts';
import { listVisible } from '../support/storage.ts';
import { readMetric } from '../support/version2.ts';

/* Old hours go from a real service, and do not come back. */

vi.setConfig({ testTimeout: 60_000 });

const OLD = '2015-05-17T10:00:00Z';
const OLD_FILE = '2015-05-17/10.log.json';
const NOW = new Date().toISOString();
const KEY = { 'X-API-Key': 'key' };
const SKIP = '/logs?invalid=skip';

const started: Service[] = [];

async function start(text: string, { dirs, env = {} }: { dirs?: Dirs; env?: Record<string, string> } = {}) {
  const folders = dirs ?? (await makeDirs());
  const config = join(folders.root, 'config.yaml');
  await writeFile(config, text);
  const all = { LOGFORGE_RETENTION_INTERVAL: '1s', LOGFORGE_AGGREGATION_INTERVAL: '100ms', ...env };
  const service = await startService({ dirs: folders, args: ['--config', config], env: all });
  started.push(service);
  return service;
}

afterEach(async () => {
  for (const service of started) await service.stop('SIGKILL');
  for (const { dirs } of started.splice(0)) await removeDirs(dirs);
});

function bodyOf(...timestamps: readonly string[]): string {
  return JSON.stringify(timestamps.map((timestamp) => ({ timestamp, path: '/', userAgent: 'a' })));
}

async function post({ port }: Service, body: string, path = '/logs') {
  const client = createClient(port, { connections: 1 });
  const { status, body: text } = await client.post(body, KEY, path);
  client.close();
  return { status, ...(JSON.parse(text) as Record<string, unknown>) };
}

const isThere = ({ dirs }: Service, path: string) => existsSync(join(dirs.logs, path));
const awaitGone = (service: Service, path: string) =>
  expect.poll(() => isThere(service, path), { timeout: 15_000 }).toBe(false);

async function readDeadLetters({ dirs }: Service): Promise<Record<string, unknown>[]> {
  const names = await listVisible(dirs.dlq);
  const texts = await Promise.all(names.map((name) => readFile(join(dirs.dlq, name), 'utf8')));
  return texts.flatMap((text) => text.trimEnd().split('\n')).map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe.each(['1', '2'])('retention.maxAge with %s threads', (threads) => {
  it('removes an hour for ever: its records are invalid from then on, also after a kill', async () => {
    const text = 'retention: {maxAge: 720h}\n';
    const env = { LOGFORGE_SERVER_THREADS: threads };
    const dirs = await makeDirs();
    // What is not ours: a folder that could be a stream, but is not configured, and other files beside the hours.
    const foreign = ['backup/2015-05-17/10.log.json', '2015-05-17/notes.txt', '2015-05-18'];
    for (const folder of ['backup/2015-05-17', '2015-05-17', '2015-05-18'])
      await mkdir(join(dirs.logs, folder), { recursive: true });
    for (const path of foreign.slice(0, 2)) await writeFile(join(dirs.logs, path), '{}\n');
    // An hour of an earlier life, with a hard link.
    const copy = join(dirs.root, 'hard-link');
    await writeFile(copy, '{}\n');
    await link(copy, join(dirs.logs, '2015-05-17/09.log.json'));
    const first = await start(text, { dirs, env });
    await awaitGone(first, '2015-05-17/09.log.json');
    expect(await readFile(copy, 'utf8')).toBe('{}\n');
    expect(await post(first, bodyOf(OLD, NOW))).toMatchObject({ status: 202 });
    await awaitGone(first, OLD_FILE);
    for (const path of foreign) expect(isThere(first, path), path).toBe(true);
    expect(await readdir(join(first.dirs.analytics, '2015-05-17'))).toEqual(['summary_10.json']);

    const refused = {
      status: 400,
      errors: [{ index: 1, field: 'timestamp', reason: 'record 1 older than retention' }],
    };
    expect(await post(first, bodyOf(NOW, OLD))).toMatchObject(refused);
    expect(await post(first, bodyOf(NOW, '2014-01-01T00:00:00Z'))).toMatchObject(refused);
    expect(await post(first, bodyOf(OLD, NOW), SKIP)).toMatchObject({ status: 202, accepted: 1, rejected: 1 });
    expect(await readDeadLetters(first)).toMatchObject([{ stage: 'ingest', reason: 'record 0 older than retention' }]);
    // A later hour may be as old: it was not removed.
    expect(await post(first, bodyOf('2015-05-17T11:00:00Z'))).toMatchObject({ status: 202 });
    const removed = await readMetric(first, 'logforge_retention_removals_total');
    expect(removed.get('{stream="access",cause="max_age"}')).toBeGreaterThanOrEqual(1);
    expect((await readMetric(first, 'logforge_records_unaccounted')).get('')).toBe(0);
    expect(first.logs()).toMatch(/"stream":"access","hour":"2015-05-17T10:00:00Z","bytes":\d+,"cause":"max_age"/);
    await first.stop('SIGKILL');

    const second = await start('', { dirs: first.dirs, env });
    expect(await post(second, bodyOf(NOW, OLD))).toMatchObject(refused);
    expect(isThere(second, OLD_FILE)).toBe(false);
    expect(second.logs()).not.toContain('shortened');
    await second.stop();
    const verified = await runLogforge(['verify'], { env: serviceEnv(first.dirs) });
    expect(verified, verified.stdout).toMatchObject({ code: 0 });
  });
});

describe('an hour that the aggregator has not read', () => {
  const slow = { LOGFORGE_AGGREGATION_INTERVAL: '1h' };
  const readDetail = async ({ url }: Service) => {
    const { status, checks } = (await (await fetch(`${url}/ready`)).json()) as {
      status: string;
      checks: Record<string, { detail: string }>;
    };
    return `${status}: ${checks.retention?.detail}`;
  };

  it('stays until it is read, and that is shown', async () => {
    const service = await start('retention: {maxAge: 720h, summaries: remove}\nauth: {enabled: true, keys: [key]}\n', {
      env: slow,
    });
    expect(await post(service, bodyOf(OLD))).toMatchObject({ status: 202 });
    const detail =
      'ready: the aggregator still needs hour 2015-05-17T10:00:00Z of stream access, which should be removed';
    await expect.poll(() => readDetail(service), { timeout: 15_000 }).toBe(detail);
    expect(isThere(service, OLD_FILE)).toBe(true);
    expect((await readMetric(service, 'logforge_retention_held')).get('{reader="aggregator"}')).toBe(1);
    // The second run settles the summary that the first has written.
    for (let run = 0; run < 2; run++) {
      const answer = await fetch(`${service.url}/admin/aggregate`, { method: 'POST', headers: KEY });
      expect(answer.status).toBe(200);
    }
    await awaitGone(service, OLD_FILE);
    await expect.poll(() => readDetail(service)).toBe('ready: undefined');
    await expect.poll(() => listVisible(join(service.dirs.analytics, '2015-05-17'))).toEqual([]);
    await awaitGone(service, '2015-05-17');
  });

  it('goes where retention is forced, and where the aggregator is off', async () => {
    for (const text of [
      'retention: {maxAge: 720h, force: true}\n',
      'retention: {maxAge: 720h}\naggregation: {enabled: false}\n',
    ]) {
      const service = await start(text, { env: slow });
      expect(await post(service, bodyOf(OLD))).toMatchObject({ status: 202 });
      await awaitGone(service, OLD_FILE);
    }
  });
});

it('retention.maxBytes of one stream removes its oldest hours, and leaves other streams', async () => {
  const service = await start('retention: {streams: [{name: events, maxBytes: 1MiB}]}\n');
  const message = 'x'.repeat(200_000);
  const event = (hour: number) =>
    JSON.stringify(
      [3, 4].map(() => ({ timestamp: `2015-05-17T1${hour}:00:00Z`, level: 'INFO', message, service: 's' })),
    );
  expect(await post(service, bodyOf(OLD))).toMatchObject({ status: 202 });
  for (const hour of [0, 1, 2, 3])
    expect(await post(service, event(hour), '/logs/events')).toMatchObject({ status: 202 });
  await awaitGone(service, 'events/2015-05-17/11.log.json');
  expect(await listVisible(join(service.dirs.logs, 'events/2015-05-17'))).toEqual(['12.log.json', '13.log.json']);
  expect(isThere(service, OLD_FILE)).toBe(true);
  expect(await post(service, event(1), '/logs/events')).toMatchObject({ status: 400 });
  const oldest = await readMetric(service, 'logforge_stream_oldest_hour_timestamp_seconds');
  await expect
    .poll(async () =>
      (await readMetric(service, 'logforge_stream_oldest_hour_timestamp_seconds')).get('{stream="events"}'),
    )
    .toBe(Date.parse('2015-05-17T12:00:00Z') / 1000);
  expect(oldest.get('{stream="access"}')).toBe(Date.parse(OLD) / 1000);
});

it('a storage.minFreeBytes that is more than the file system has removes nothing, and is told', async () => {
  const service = await start('storage: {minFreeBytes: 1048576GiB}\n');
  expect(await post(service, bodyOf(OLD))).toMatchObject({ status: 202 });
  await expect.poll(() => service.logs()).toContain('storage.minFreeBytes is ignored: the whole file system has only');
  expect(isThere(service, OLD_FILE)).toBe(true);
  const ready = await fetch(`${service.url}/ready`);
  expect([ready.status, await ready.text()]).toEqual([200, expect.stringContaining('storage.minFreeBytes is ignored')]);
});
