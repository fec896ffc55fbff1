import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, createClient } from '../support/client.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';
import { readHourFiles } from '../support/storage.ts';

// Small bodies that would become large batches, with the limits that a service has by default.

const RECORD = '{"timestamp":"2015-05-17T10:00:00Z","path":"/","userAgent":"a"}';
const CSV_GZIP = { 'Content-Type': 'text/csv', 'Content-Encoding': 'gzip' };
const COLUMNS = 900;

let service: Service;
let client: Client;

/** A header of long names, and rows with nothing under them: 1.2 MB of CSV, 5 KB packed, 240 MB as stored lines. */
function expandingCsv(rows: number): Buffer {
  const names = Array.from({ length: COLUMNS }, (_, i) => String(i).padEnd(250, 'n'));
  const row = `2015-05-17T10:00:00Z,/a,x${','.repeat(COLUMNS)}\n`;
  return gzipSync(`timestamp,path,userAgent,${names.join(',')}\n${row.repeat(rows)}`);
}

function manyHours(hours: number): Buffer {
  const rows = Array.from({ length: hours }, (_, i) => `${new Date(i * 86_400_000).toISOString().slice(0, 19)}Z,/,a\n`);
  return gzipSync(rows.join(''));
}

async function largestMemory(): Promise<number> {
  const status = await readFile(`/proc/${service.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

async function metric(name: string): Promise<number> {
  const { body } = await client.get('/metrics');
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(body)?.[1]);
}

describe.each([1, 2])('on %i threads', (threads) => {
  beforeAll(async () => {
    service = await startService({ env: { LOGFORGE_SERVER_THREADS: String(threads) } });
    client = createClient(service.port);
  });
  afterAll(async () => {
    client.close();
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    await removeDirs(service.dirs);
  });

  const expectNothingStored = async () => {
    expect(await readHourFiles(service.dirs)).toEqual(new Map());
    expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
    expect(await metric('logforge_records_unaccounted')).toBe(0);
  };

  it.each([
    'reject',
    'skip',
  ])('CSV that grows two hundred times is answered 413, and takes little memory (%s)', async (invalid) => {
    const before = await largestMemory();
    const outcome = await client.post(expandingCsv(1_000), CSV_GZIP, `/logs?invalid=${invalid}`);
    expect(outcome.status, outcome.body).toBe(413);
    expect(JSON.parse(outcome.body)).toMatchObject({
      type: 'urn:logforge:problem:body-too-large',
      detail: expect.stringContaining('67108864 bytes as stored lines (ingestion.maxBatchBytes)'),
    });
    await expectNothingStored();
    // It was 450 MB before the limit.
    expect((await largestMemory()) - before).toBeLessThan(200);
  });

  it('more of them at once than there is room for are refused, and take no more memory than that', async () => {
    const before = await largestMemory();
    const body = expandingCsv(280);
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, () => client.post(body, CSV_GZIP, '/logs?invalid=reject')),
    );
    const statuses = outcomes.map(({ status }) => status);
    expect(statuses).not.toContain(0);
    for (const { status, body } of outcomes) expect([202, 503], body).toContain(status);
    expect((await largestMemory()) - before).toBeLessThan(700);
    await service.stop();
    await removeDirs(service.dirs);
    client.close();
    service = await startService({ env: { LOGFORGE_SERVER_THREADS: String(threads) } });
    client = createClient(service.port);
  });

  it('6,000 days in one batch are answered 400, and hold up nobody', async () => {
    const sent = client.post(manyHours(6_000), CSV_GZIP);
    const started = performance.now();
    expect((await client.get('/health')).status).toBe(200);
    const outcome = await sent;
    // It was 4 to 8 seconds before the limit.
    expect(performance.now() - started).toBeLessThan(3_500);
    expect(outcome.status, outcome.body).toBe(400);
    expect(JSON.parse(outcome.body)).toMatchObject({
      type: 'urn:logforge:problem:too-many-hours',
      detail: expect.stringContaining('more than 1000 hours (ingestion.maxHoursPerBatch)'),
    });
    await expectNothingStored();
  });

  it.each([
    ['brackets', '['.repeat(16_000_000), 'application/json', 'not JSON: line 1 column 16000001'],
    ['objects', `[${'{"a":'.repeat(3_000_000)}`, 'application/json', 'not JSON: line 1 column 15000002'],
    ['objects on a line', `${'{"a":'.repeat(3_000_000)}`, 'application/x-ndjson', 'record 0 not JSON'],
    [
      'a valid record',
      `[${RECORD.slice(0, -1)},"x":${'{"a":'.repeat(2_000_000)}1${'}'.repeat(2_000_000)}}]`,
      'application/json',
      'record 0 is nested deeper than 64 (ingestion.maxDepth)',
    ],
  ])('nesting as deep as a body is long is refused: %s', async (_, body, type, detail) => {
    const outcome = await client.post(gzipSync(body), { 'Content-Type': type, 'Content-Encoding': 'gzip' });
    expect(outcome.status, outcome.body.slice(0, 300)).toBe(400);
    expect(JSON.parse(outcome.body).detail).toContain(detail);
    await expectNothingStored();
  });

  it('a deep record that is skipped becomes a dead letter, and the service goes on', async () => {
    const deep = `{"a":${'{"a":'.repeat(1_000_000)}1${'}'.repeat(1_000_000)}}`;
    const outcome = await client.post(`[${RECORD},${deep}]`, {}, '/logs?invalid=skip');
    expect([outcome.status, JSON.parse(outcome.body).rejected]).toEqual([202, 1]);
    expect((await client.post(`[${RECORD}]`)).status).toBe(202);
  });
});
