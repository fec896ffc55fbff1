import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AccessLog, findAccessLog } from '../support/access-log.ts';
import { runLogforge } from '../support/run.ts';
import { type Dirs, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readHourFiles, readRecords, readSummaries } from '../support/storage.ts';

/** A batch is a block of the file, of whole lines. */
const BLOCK_BYTES = 256 * 1024;
const ENV = { LOGFORGE_AGGREGATION_INTERVAL: '100ms' };

let log: AccessLog;
let service: Service;
let files: Map<string, Buffer>;

beforeAll(async () => {
  service = await startService({ env: ENV });
  log = await findAccessLog(join(service.dirs.root, 'made'));
});
afterAll(async () => {
  await service.stop();
  await removeDirs(service.dirs);
});

async function replay(to: Service, path: string): Promise<string> {
  const { code, stdout, stderr } = await runLogforge(['replay', '--url', to.url, path]);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** Every summary is as counted from the log itself, key by key, and there is no other. */
async function expectSummaries(dirs: Dirs): Promise<void> {
  await eventually(async () => {
    const summaries = await readSummaries(dirs);
    const counted = [...summaries].map(([hour, { totalRequests, requestsPerPath, requestsPerUserAgent }]) => {
      return [hour, { totalRequests, requestsPerPath, requestsPerUserAgent }] as const;
    });
    expect(Object.fromEntries(counted)).toEqual(log.hours);
  });
  const stored = await readHourFiles(dirs);
  for (const [hour, { source, totalRequests }] of await readSummaries(dirs)) {
    const bytes = stored.get(hour.slice(0, 13))?.length;
    expect(source).toEqual({ bytes, records: totalRequests, skippedLines: 0 });
  }
}

function toCsvRow(record: Record<string, unknown>): string {
  const values = [record.userAgent, record.timestamp, record.path].map(
    (value) => `"${String(value).replaceAll('"', '""')}"`,
  );
  return `${values.join(',')}\r\n`;
}

function withoutExtras(hours: ReadonlyMap<string, Buffer>): Map<string, Buffer> {
  const toCore = (line: string) => {
    const { timestamp, path, userAgent } = JSON.parse(line);
    return `${JSON.stringify({ timestamp, path, userAgent })}\n`;
  };
  const core = (lines: Buffer) => Buffer.from(lines.toString().trimEnd().split('\n').map(toCore).join(''));
  return new Map([...hours].map(([hour, lines]) => [hour, core(lines)]));
}

describe('an access log', () => {
  it('is replayed, and every hour summarised', async () => {
    const summary = await replay(service, log.path);
    const records = log.records.toLocaleString('en-US');
    const batches = Math.ceil((await stat(log.path)).size / BLOCK_BYTES);
    expect(summary).toContain(`replayed ${records} records in ${batches} batches, 0 lines unreadable, 0 duplicates`);
    await expectSummaries(service.dirs);
    files = await readHourFiles(service.dirs);
    expect(await readRecords(service.dirs)).toHaveLength(log.records);
    expect(files.size).toBe(Object.keys(log.hours).length);
  });

  it('changes nothing when it is replayed again', async () => {
    const summary = await replay(service, log.path);
    expect(summary).toContain(`${log.records.toLocaleString('en-US')} duplicates`);
    expect(await readHourFiles(service.dirs)).toEqual(files);
  });

  it('changes nothing when it is replayed again after a restart', async () => {
    const before = await readSummaries(service.dirs);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    service = await startService({ dirs: service.dirs, env: ENV });
    const summary = await replay(service, log.path);
    expect(summary).toContain(`${log.records.toLocaleString('en-US')} duplicates`);
    expect(await readHourFiles(service.dirs)).toEqual(files);
    expect(await readSummaries(service.dirs)).toEqual(before);
  });

  it.each([
    ['csv', 'zstd'],
    ['ndjson', 'none'],
    ['json', 'zstd'],
  ] as const)('is stored the same when it comes as %s, in hours of compression %s', async (format, compression) => {
    const records = await readRecords(service.dirs);
    const content = {
      csv: `userAgent,timestamp,path\r\n${records.map(toCsvRow).join('')}`,
      ndjson: Buffer.concat([...files.values()]),
      json: JSON.stringify(records),
    }[format];
    const env = { ...ENV, LOGFORGE_STORAGE_COMPRESSION: compression };
    const other = await startService({ dirs: await makeDirs(), env });
    try {
      const path = join(other.dirs.root, `access.${format}`);
      await writeFile(path, content);
      const batches = Math.ceil((await stat(path)).size / BLOCK_BYTES);
      expect(await replay(other, path)).toContain(
        `${records.length.toLocaleString('en-US')} records in ${batches} batches, 0 `,
      );
      await expectSummaries(other.dirs);
      // Columns of CSV are texts, so its rows have the three fields alone.
      expect(await readHourFiles(other.dirs)).toEqual(format === 'csv' ? withoutExtras(files) : files);
    } finally {
      await other.stop();
      await removeDirs(other.dirs);
    }
  });

  it('is told by GET /analytics as it stands in the summaries', async () => {
    const [hour = '', expected] = Object.entries(log.hours)[0] ?? [];
    const answer = await fetch(`${service.url}/analytics?hour=${hour.slice(0, 13)}`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ hour, ...expected });
  });
});
