import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { parseFieldMap } from '../../model/field-map.ts';
import { type CollectOptions, startCollector } from './collect.ts';

function setUp(lines: string, map?: string): CollectOptions {
  const folder = mkdtempSync(join(tmpdir(), 'collect-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'app.json'), lines);
  return {
    patterns: [join(folder, 'app.json')],
    readAs: {
      ...{ format: undefined, zone: 0, fields: 'all', needsTime: true },
      map: map === undefined ? undefined : parseFieldMap(map),
    },
    filter: undefined,
    tagRules: undefined,
    outputDir: join(folder, 'out'),
    service: undefined,
    batchSize: 1,
    batchIntervalMs: 0,
    addr: '127.0.0.1:0',
    checkpoint: undefined,
    notify: () => undefined,
  };
}

it('reads the fields of lines of JSON where a map says', async () => {
  const line = '{"at":1772704801,"lvl":"warning","text":"login failed","app":{"name":"api"},"more":1}';
  const options = setUp(`${line}\n`, 'timestamp=at,level=lvl,message=text,service=app.name');
  const collector = await startCollector(options);
  await vi.waitFor(() => expect(collector.stats().total).toBe(1));
  expect(await collector.stop(5_000)).toBe(true);
  expect(readFileSync(join(options.outputDir, 'collected.jsonl'), 'utf8')).toBe(
    '{"timestamp":"2026-03-05T10:00:01Z","level":"WARN","message":"login failed","service":"api","tag":"auth"}\n',
  );
});

it('reads many files though their lines wait for each other', async () => {
  const options = setUp('');
  const folder = dirname(options.outputDir);
  const files = 100;
  for (let i = 0; i < files; i++)
    writeFileSync(
      join(folder, `${i}.json`),
      `{"timestamp":"2026-03-05T10:00:01Z","level":"INFO","message":"of file ${i}","service":"api"}\n`,
    );
  const patterns = [join(folder, '*.json')];
  const collector = await startCollector({ ...options, patterns, batchSize: 1_000, batchIntervalMs: 60_000 });
  // The last ones wait for others, which do not come.
  await vi.waitFor(() => expect(collector.stats().total).toBeGreaterThan(files / 2), { timeout: 5_000 });
  expect(await collector.stop(5_000)).toBe(true);
  expect(collector.stats().total).toBe(files);
});

it('lets the next one have the folder when it cannot start', async () => {
  const options = setUp('');
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  onTestFinished(() => void other.close());
  const { port } = other.address() as AddressInfo;
  await expect(startCollector({ ...options, addr: `127.0.0.1:${port}` })).rejects.toThrow('cannot listen on');
  expect(await (await startCollector(options)).stop(5_000)).toBe(true);
});
