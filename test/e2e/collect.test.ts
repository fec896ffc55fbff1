import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { CollectStats } from '../../src/live/live.ts';
import { runLogforge } from '../support/run.ts';
import { cleanEnv, logforge, removeDirs, startService } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';

/* The collector of seed 001's days 1 to 5, as a process: what generators write into files is collected, tagged and counted, each line once. */

let folder: string;
const running: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'collect-'));
});
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

async function generate(format: 'raw' | 'json', path: string, count: number, seed: number): Promise<void> {
  const args = ['--transport', 'file', '--format', format, '--records', 'events', '--path', path, '--rate', '0'];
  const { code, stderr } = await runLogforge(['generate', ...args, '--count', `${count}`, '--seed', `${seed}`], {
    cwd: folder,
  });
  expect([code, stderr]).toEqual([0, expect.any(String)]);
}

async function collect(...args: readonly string[]) {
  const words = ['--log-files', 'app.log', 'app.json', '--batch-interval', '0.1', '--addr', '127.0.0.1:0', ...args];
  const [node, ...rest] = logforge('collect', ...words);
  const child = spawn(node, rest, { cwd: folder, env: cleanEnv() });
  running.push(child);
  const said = { out: '', err: '' };
  child.stdout.on('data', (bytes: Buffer) => {
    said.out += bytes.toString();
  });
  child.stderr.on('data', (bytes: Buffer) => {
    said.err += bytes.toString();
  });
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const url = await eventually(() => {
    const match = /page on (\S+)\//.exec(said.err);
    expect(match, said.err).not.toBeNull();
    return match?.[1] ?? '';
  });
  return {
    said,
    url,
    stats: async (): Promise<CollectStats> => (await fetch(`${url}/stats`)).json() as Promise<CollectStats>,
    async stop(signal: NodeJS.Signals = 'SIGTERM') {
      child.kill(signal);
      return exited;
    },
  };
}

interface Line {
  readonly message: string;
  readonly tag: string;
  readonly level: string;
  readonly request_id: string;
}

const linesOf = (name: string) =>
  readFileSync(join(folder, 'collected_logs', name), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
const collected = () => linesOf('collected.jsonl').map((line) => JSON.parse(line) as Line);
const inFiles = () =>
  ['app.log', 'app.json'].flatMap((name) =>
    [...readFileSync(join(folder, name), 'utf8').matchAll(/req-[0-9a-f]{8}/g)].map(([id]) => id),
  );

function tagOf(message: string): string {
  if (message.includes('login')) return 'auth';
  return message.includes('checkout') ? 'payment' : 'general';
}

function countBy(lines: readonly Line[], of: (line: Line) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of lines) counts[of(line)] = (counts[of(line)] ?? 0) + 1;
  return counts;
}

it('text and JSON of generators are collected with tags, unreadable lines are put aside, and a kill doubles nothing', async () => {
  await Promise.all([generate('raw', 'app.log', 3_000, 1), generate('json', 'app.json', 2_000, 2)]);
  appendFileSync(join(folder, 'app.log'), 'this is broken\n');
  appendFileSync(join(folder, 'app.json'), '{"timestamp":"2026-01-01T00:00:00Z","level":"INFO"}\n{"half":\n');
  const one = await collect();
  await eventually(async () => expect(await one.stats()).toMatchObject({ total: 5_000, parsing_errors: 3 }));
  const lines = collected();
  expect(lines.map(({ request_id }) => request_id).sort()).toEqual(inFiles().sort());
  expect(lines.filter(({ message, tag }) => tag !== tagOf(message))).toEqual([]);
  expect(await one.stats()).toMatchObject({
    levels: countBy(lines, ({ level }) => level),
    tags: countBy(lines, ({ tag }) => tag),
    filtered: 0,
    raw: 3_000,
    json: 2_000,
    lag_bytes: 0,
    sources: [
      { source: join(folder, 'app.log'), records: 3_000 },
      { source: join(folder, 'app.json'), records: 2_000 },
    ],
  });
  const rejects = linesOf('rejects.jsonl').map((line) => JSON.parse(line) as Record<string, unknown>);
  const byNumber = rejects.map(({ number, line }) => [number, line]).sort((a, b) => Number(a[0]) - Number(b[0]));
  expect(byNumber).toEqual([
    [2_001, '{"timestamp":"2026-01-01T00:00:00Z","level":"INFO"}'],
    [2_002, '{"half":'],
    [3_001, 'this is broken'],
  ]);
  const metrics = await (await fetch(`${one.url}/metrics`)).text();
  expect(metrics).toContain('logforge_agent_records_total{outcome="stored"} 5000');
  expect((await fetch(`${one.url}/`)).status).toBe(200);

  // Killed while it collects; what comes meanwhile is collected by the next.
  const growing = generate('raw', 'app.log', 20_000, 3);
  await eventually(async () => expect((await one.stats()).total).toBeGreaterThan(5_000));
  await one.stop('SIGKILL');
  await growing;
  const two = await collect('--addr', ':0');
  expect(one.said.err).not.toContain('answers whoever');
  await eventually(() => expect(two.said.err).toContain('answers whoever reaches this machine; --addr 127.0.0.1:5000'));
  await eventually(() => expect(collected().length).toBe(inFiles().length));
  expect(
    collected()
      .map(({ request_id }) => request_id)
      .sort(),
  ).toEqual(inFiles().sort());
  expect(linesOf('rejects.jsonl').length).toBe(3);
  expect(await two.stop()).toBe(0);
  expect(two.said.out).toMatch(
    /^[\d,]+ records collected of 2 files \(.*\), 0 lines unreadable, 0 filtered out, 0 refused\n$/,
  );
});

it('lines that match a filter go to a central storage, which counts who sends', async () => {
  await Promise.all([generate('raw', 'app.log', 500, 1), generate('json', 'app.json', 300, 2)]);
  const service = await startService({ env: { LOGFORGE_LOGGING_SOURCES: 'true' } });
  try {
    const args = ['--filter', 'ERROR|WARN', '--tag', 'slow=is slow$', '--storage-url', service.url];
    const collector = await collect(...args);
    const matching = ['app.log', 'app.json']
      .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
      .filter((line) => /ERROR|WARN/.test(line));
    await eventually(async () => {
      expect(await collector.stats()).toMatchObject({ total: matching.length, filtered: 800 - matching.length });
    });
    const stored = (await readRecords(service.dirs, 'events')) as unknown as Line[];
    expect(stored.length).toBe(matching.length);
    expect(stored.filter(({ message, tag }) => (tag === 'slow') !== message.endsWith('is slow'))).toEqual([]);
    // The figures of a service are those of its last sample.
    await eventually(async () => {
      const { sources } = (await (await fetch(`${service.url}/stats`)).json()) as Pick<CollectStats, 'sources'>;
      expect(sources).toMatchObject([{ source: '127.0.0.1', records: matching.length }]);
    });
    expect(await collector.stop()).toBe(0);
  } finally {
    await service.stop('SIGKILL');
    await removeDirs(service.dirs);
  }
});

it('what cannot be used is said, and nothing is started', async () => {
  const refused = async (...args: readonly string[]) => {
    const { code, stderr } = await runLogforge(['collect', ...args], { cwd: folder });
    return [code, stderr.split('\n')[0]];
  };
  expect(
    await Promise.all([
      refused(),
      refused('--log-files', 'a', '--filter', 'x[z-a]'),
      refused('--log-files', 'a', '--tag', 'db'),
      refused('--log-files', 'a', '--batch-interval', 'soon'),
      refused('--log-files', 'a', '--log-format', 'xml'),
    ]),
  ).toEqual([
    [2, 'logforge collect: a file is missing: give --log-files FILE'],
    [2, 'logforge collect: the pattern "x[z-a]" is not valid at character 3 ("z-a]"): invalid character class range'],
    [2, expect.stringContaining('--tag: a tag must be NAME=PATTERN')],
    [2, expect.stringContaining('--batch-interval must be seconds from 0 to 3600, got "soon"')],
    [2, expect.stringContaining('--log-format must be one of auto, text, json, got "xml"')],
  ]);
});
