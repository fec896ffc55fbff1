import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeTrailer, TRAILER_BYTES } from '../../src/repo/hour-frames.ts';
import { createClient } from '../support/client.ts';
import { runLogforge } from '../support/run.ts';
import { type Dirs, makeDirs, removeDirs, type Service, serviceEnv, startService } from '../support/service.ts';
import { eventually, readRecords, readSummaries } from '../support/storage.ts';
import { readMetric } from '../support/version2.ts';

/* Damage and edits by hand of the file of a compressed hour, in a real process. */

const ENV = { LOGFORGE_STORAGE_COMPRESSION: 'zstd', LOGFORGE_AGGREGATION_INTERVAL: '100ms' };
/** More than a small commit: each batch is a frame of its own. */
const RECORDS = 2_500;

let dirs: Dirs;
let service: Service | undefined;
beforeEach(async () => {
  dirs = await makeDirs();
});
afterEach(async () => {
  await service?.stop('SIGKILL');
  await removeDirs(dirs);
});

const hourFile = () => join(dirs.logs, '2015-05-17', '10.log.json.zst');

async function start(env: Readonly<Record<string, string>> = {}): Promise<Service> {
  service = await startService({ dirs, env: { ...ENV, ...env } });
  return service;
}

async function store(path: string, count: number): Promise<void> {
  const client = createClient(service?.port ?? 0);
  const record = { timestamp: '2015-05-17T10:00:00Z', path, userAgent: 'x'.repeat(150) };
  const { status } = await client.post(JSON.stringify(Array(count).fill(record)));
  client.close();
  expect(status).toBe(202);
}

const perPath = async () => (await readSummaries(dirs)).get('2015-05-17T10:00:00Z')?.requestsPerPath;

/** Three frames, of which the second is damaged while no service runs. */
async function storeAndDamage(): Promise<void> {
  await start({ LOGFORGE_AGGREGATION_ENABLED: 'false' });
  for (const path of ['/a', '/b', '/c']) await store(path, RECORDS);
  expect(await service?.stop()).toEqual({ code: 0, signal: null });
  const bytes = readFileSync(hourFile());
  const last = decodeTrailer(bytes, bytes.length - TRAILER_BYTES)?.zstd ?? 0;
  const secondEnd = bytes.length - TRAILER_BYTES - last;
  bytes.fill(7, secondEnd - TRAILER_BYTES - 40, secondEnd - TRAILER_BYTES - 30);
  writeFileSync(hourFile(), bytes);
}

describe('a frame that is damaged while the service is down', () => {
  it('costs its records alone, and is told by the log, a metric, /ready and verify', async () => {
    await storeAndDamage();
    const { port, logs } = await start();
    await eventually(async () => expect(await perPath()).toEqual({ '/a': RECORDS, '/c': RECORDS }));
    await store('/d', 3);
    await eventually(async () => expect(await perPath()).toEqual({ '/a': RECORDS, '/c': RECORDS, '/d': 3 }));
    expect(logs()).toMatch(/"level":"error".*a part of an hour cannot be read; the rest of it can/);
    expect(logs()).toContain('its checksum does not hold');
    expect((await readMetric(service as Service, 'logforge_storage_damage_total')).get('{kind="hours"}')).toBe(1);
    const ready = (await (await fetch(`http://127.0.0.1:${port}/ready`)).json()) as { checks: Record<string, unknown> };
    expect(ready.checks.damage).toMatchObject({
      detail: expect.stringContaining('damage was found in 1 places (hours)'),
    });
    expect(await service?.stop()).toEqual({ code: 0, signal: null });
    const { code, stdout } = await runLogforge(['verify'], { env: serviceEnv(dirs) });
    expect([code, stdout]).toEqual([1, expect.stringContaining('its checksum does not hold')]);
    expect(stdout).toContain(`${2 * RECORDS + 3} lines in`);
  });

  it('is told in the same way, once, when queries are the first to meet it', async () => {
    await storeAndDamage();
    const { port, logs } = await start({ LOGFORGE_AGGREGATION_ENABLED: 'false' });
    for (const order of ['asc', 'desc']) {
      const answer = await fetch(`http://127.0.0.1:${port}/records?limit=all&order=${order}`);
      expect((await answer.text()).split('\n')).toHaveLength(2 * RECORDS + 1);
    }
    await eventually(async () =>
      expect((await readMetric(service as Service, 'logforge_storage_damage_total')).get('{kind="hours"}')).toBe(1),
    );
    expect(logs().match(/a query left out a part of an hour that cannot be read/g)).toHaveLength(2);
    expect(logs().match(/"level":"error".*a part of an hour cannot be read; the rest of it can/g)).toHaveLength(1);
    const ready = (await (await fetch(`http://127.0.0.1:${port}/ready`)).json()) as { checks: Record<string, unknown> };
    expect(ready.checks.damage).toMatchObject({
      detail: expect.stringContaining('damage was found in 1 places (hours)'),
    });
    expect(await service?.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('the file of a compressed hour changed by hand while the service runs', () => {
  it.each([
    ['`zstd -c more >> file`', () => appendFileSync(hourFile(), zstdCompressSync('{"more":1}\n')), ['/a']],
    ['`cat lines >> file`', () => appendFileSync(hourFile(), '{"more":1}\n'), ['/a']],
    ['deleted', () => rmSync(hourFile()), []],
  ] as const)('%s: it is said, and every record that is answered from then on is kept', async (_what, change, left) => {
    await start();
    await store('/a', RECORDS);
    await store('/small', 1);
    change();
    await store('/b', RECORDS);
    await store('/c', 2);
    expect(service?.logs()).toContain('another program changed a data file; it is taken as it is');
    expect(await service?.stop('SIGKILL')).toMatchObject({ signal: 'SIGKILL' });
    await start();
    const counts: Record<string, number> = {};
    for (const { path } of await readRecords(dirs)) counts[String(path)] = (counts[String(path)] ?? 0) + 1;
    const kept = Object.fromEntries(left.map((path) => [path, RECORDS]));
    expect(counts).toEqual({ ...kept, '/small': 1, '/b': RECORDS, '/c': 2 });
    expect(await service?.stop()).toEqual({ code: 0, signal: null });
  });
});
