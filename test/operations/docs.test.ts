import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BenchResult, renderBench, renderSustained, replaceBetween } from '../../scripts/bench-docs.ts';
import { anchorsOf, checkDocs, checkErrorTexts, checkPage, readWorld, type World } from '../../scripts/docs-check.ts';
import { ALLOWED_LICENCES, LICENCES_PAGE, licencesOf, renderLicencesPage } from '../../scripts/licences-docs.ts';
import { METRICS_DOCS, renderMetricsDocs } from '../../scripts/metrics-docs.ts';
import { topFunctions } from '../../scripts/top-functions.ts';
import { OPERATIONS } from '../../src/http/docs/operations.ts';
import { PROBLEM_TYPES } from '../../src/http/problem.ts';
import { makeDirs, REPOSITORY, removeDirs, type Service, startService } from '../support/service.ts';

describe('the documents', () => {
  it('name only what exists (make docs-check)', async () => {
    expect(await checkDocs()).toEqual([]);
  });

  it('describe every route and every kind of problem', () => {
    const page = readFileSync(join(REPOSITORY, 'docs/api.md'), 'utf8');
    const registry = readFileSync(join(REPOSITORY, 'docs/registry.md'), 'utf8').split('\n');
    const isDescribed = (method: string, path: string): boolean =>
      /^\/(registry|schema)\//.test(path)
        ? registry.some((row) => row.startsWith(`| \`${path}\` |`) && row.split('|')[2]?.includes(method))
        : page.includes(`${method} ${path}`);
    const missing = OPERATIONS.filter(({ method, path }) => !isDescribed(method.toUpperCase(), path));
    expect(missing.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
    const kinds = PROBLEM_TYPES.map((type) => type.slice(type.lastIndexOf(':') + 1));
    expect(kinds.filter((kind) => !page.includes(`| \`${kind}\` |`))).toEqual([]);
  });

  it('describe every metric (make docs)', async () => {
    expect(readFileSync(METRICS_DOCS, 'utf8')).toBe(await renderMetricsDocs());
  });

  it('name the licence of every package that is installed (make docs), and none that asks for more than its text', () => {
    expect(readFileSync(LICENCES_PAGE, 'utf8')).toBe(renderLicencesPage());
    const lock = JSON.parse(readFileSync(join(REPOSITORY, 'package-lock.json'), 'utf8'));
    expect([...licencesOf(lock).keys()].filter((licence) => !ALLOWED_LICENCES.includes(licence))).toEqual([]);
    const added = {
      packages: { 'node_modules/a/node_modules/b-linux-x64': { license: 'GPL-3.0' }, 'node_modules/c': {} },
    };
    expect([...licencesOf(added)]).toEqual([
      ['GPL-3.0', ['b']],
      ['unknown', ['c']],
    ]);
  });
});

describe('the check', () => {
  let world: World;
  beforeAll(async () => {
    world = await readWorld();
  });
  const finds = (markdown: string, problem: string) =>
    it(`finds ${JSON.stringify(markdown)}`, () => {
      expect(checkPage('docs/x.md', markdown, world)).toEqual([`docs/x.md: ${problem}`]);
    });
  const passes = (markdown: string) =>
    it(`passes ${JSON.stringify(markdown)}`, () => expect(checkPage('docs/x.md', markdown, world)).toEqual([]));

  finds('[a](gone.md)', 'link to gone.md: there is no docs/gone.md');
  finds('[a](operations.md#gone)', 'link to operations.md#gone: docs/operations.md has no such heading');
  finds('```sh\nmake gone\n```', 'make gone: there is no such target');
  finds('Say `make setup gone`.', 'make gone: there is no such target');
  finds('```sh\nFOO=1 bin/logforge gone\n```', 'logforge gone: there is no such command');
  finds('`logforge serve --adr :1`', 'logforge serve --adr: there is no such flag');
  finds('```sh\nlogforge dlq show --gone 5 | head\n```', 'logforge dlq --gone: there is no such flag');
  finds('`server.maxBodyByts`', 'server.maxBodyByts: there is no such configuration key');
  finds('`storage.durable: os`', 'storage.durable: there is no such configuration key');
  finds('`LOGFORGE_SERVER_ADR`', 'LOGFORGE_SERVER_ADR: there is no such variable');
  finds('`logforge_gone_total`', 'logforge_gone_total: there is no such metric');
  finds('`sum(rate(kafka_gone_total[5m]))`', 'kafka_gone_total: there is no such metric');
  finds('`src/gone.ts`', 'src/gone.ts: there is no such file');

  passes('[a](operations.md#runbook), [b](https://example.org/), [c](../README.md)');
  passes('```sh\nmake setup && make check\nlogforge replay --batch 10 a.log | tail -1\n```');
  passes('```yaml\nmake: gone\n```');
  passes(
    '`server.addr`, `storage.durability: os`, `kafka.ssl`, `PROFILE_DIR`, `logforge_sync_duration_seconds_bucket`',
  );

  it('finds an error text that no source says', () => {
    const row = '| `cannot open path=…: not there`, `gone …` | why | do |';
    expect(checkErrorTexts(row, "throw new Error('cannot open path=x: not there')")).toEqual([
      'docs/troubleshooting.md: no source says "gone"',
    ]);
  });

  it('makes anchors as GitHub does', () => {
    const page = '# A `b`, c-d: é!\n\n## Twice\n\n## Twice\n\n```sh\n# no heading\n```\n\n### [Link](x.md) here';
    expect([...anchorsOf(page)]).toEqual(['a-b-c-d-é', 'twice', 'twice-1', 'link-here']);
  });
});

describe('the curl lines', () => {
  let service: Service;
  beforeAll(async () => {
    const dirs = await makeDirs();
    // The stream of the page's own example.
    const page = readFileSync(join(REPOSITORY, 'docs/streams.md'), 'utf8');
    const [, settings = ''] = /^```yaml\n(streams:\n[\s\S]*?)^```/m.exec(page) ?? [];
    const config = join(dirs.root, 'config.yaml');
    writeFileSync(config, settings);
    service = await startService({ dirs, args: ['--config', config], env: { LOGFORGE_AGGREGATION_INTERVAL: '100ms' } });
  });
  afterAll(async () => {
    await service.stop();
    await removeDirs(service.dirs);
  });

  const lines = ['README.md', 'docs/api.md', 'docs/streams.md'].flatMap((page) => {
    const markdown = readFileSync(join(REPOSITORY, page), 'utf8');
    const blocks = [...markdown.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map((match) => match[1] ?? '');
    const commands = blocks.flatMap((block) =>
      block
        .replace(/\\\n\s*/g, '')
        .replace(/\|\n\s*/g, '| ')
        .split('\n'),
    );
    return commands.filter((command) => /^(curl|printf) /.test(command)).map((command) => ({ page, command }));
  });

  it('are found', () => expect(lines.length).toBeGreaterThanOrEqual(10));

  for (const { page, command } of lines) {
    it(`of ${page} works: ${command}`, async () => {
      const ours = command.replace('http://localhost:8082', service.url).replace('curl ', 'curl -sf ');
      const run = async () => {
        const child = spawn('bash', ['-c', ours], { cwd: REPOSITORY, stdio: ['ignore', 'pipe', 'inherit'] });
        return text(child.stdout);
      };
      // The summary of an hour follows its records.
      await expect
        .poll(run, { timeout: 20_000 })
        .toMatch(/"accepted":[1-9]|"totalRequests"|"streams"|"version":1|"level":"WARN"/);
    });
  }
});

describe('the figures of a benchmark', () => {
  const run = { recordsPerSecond: 1_000_000.4, cpuSecondsPerMillion: 0.512, peakMegabytes: 180.2 };
  const result: BenchResult = {
    date: '2025-11-22T15:23:00.000Z',
    machine: { cpus: 2, memoryGiB: 24, platform: 'linux x64', node: 'v26.0.0' },
    rows: [
      {
        row: 'json · 1000 · disk',
        runs: [
          { ...run, latencyMs: { p50: 1, p99: 9 } },
          { ...run, recordsPerSecond: 3e6, latencyMs: { p50: 3, p99: 11 } },
        ],
      },
    ],
  };

  it('are medians, with the machine they were measured on', () => {
    const table = renderBench(result);
    expect(table).toContain('Measured on 2025-11-22: 2 cores, 24 GiB');
    expect(renderSustained(result)).toBeUndefined();
    expect(table).toContain('| json · 1000 · disk | 2,000,000 | 0.51 | 2.0 ms | 10.0 ms | 180 MB |');
  });

  it('have a table of their own where they were measured for long, with what the disk takes alone', () => {
    const written = { records: 1_000, lineBytes: 178_000, diskBytes: 18_350 };
    const lasts = {
      row: 'json · 1000 · disk · sustained',
      runs: [{ ...run, latencyMs: { p50: 1, p99: 9 }, written }],
      sustained: { seconds: 60, afterBytes: 1e10 },
    };
    const ceiling = { row: 'alone', recordsPerSecond: 2e6, cpuSecondsPerMillion: 0.2, bytes: 3e9, seconds: 10 };
    const both = { ...result, rows: [...result.rows, lasts], ceilings: [ceiling] };
    expect(renderBench(both)).toBe(renderBench(result));
    const table = renderSustained(both);
    expect(table).toContain('One run of 60 s after 10 GB were written.');
    expect(table).toContain('| json · 1000 · disk · sustained | 1,000,000 | 178 | 0.51 | 9.0 ms | 180 MB | 18.4 |');
    expect(table).toContain('| alone | 2,000,000 | 300 | 0.20 |');
  });

  it('replace the old figures', () => {
    const page = 'a\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nb\n';
    expect(replaceBetween(page, 'bench', 'new')).toBe('a\n<!-- bench:begin -->\nnew\n<!-- bench:end -->\nb\n');
    expect(() => replaceBetween(page, 'other', 'new')).toThrow('markers of other');
  });
});

describe('the top of a profile', () => {
  it('adds up all calls of a function, and leaves out waiting', () => {
    const at = (functionName: string, hitCount: number) => ({
      hitCount,
      callFrame: { functionName, url: functionName.startsWith('(') ? '' : 'file:///x/src/a.ts', lineNumber: 9 },
    });
    const profile = JSON.stringify({
      nodes: [at('work', 30), at('(idle)', 1000), at('work', 45), at('(program)', 25)],
    });
    expect(topFunctions(profile)).toBe('  75.0 %  work  src/a.ts:10\n  25.0 %  (program)\n');
  });
});
