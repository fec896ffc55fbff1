import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { type Hour, hourToIso, parseHour } from '../model/hour.ts';
import { openRepo } from '../repo/file-repo.ts';
import type { Repo } from '../repo/repo.ts';
import { aggregate } from './aggregate.ts';
import { EXIT, UsageError } from './command.ts';
import { createTestIo } from './test-io.case.ts';

const HOUR: Hour = parseHour('2015-05-17T10') ?? 0;
let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'logforge-aggregate-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const at = (...parts: string[]): string => join(folder, ...parts);
const line = (hour: Hour, path: string): string =>
  `${JSON.stringify({ timestamp: hourToIso(hour), path, userAgent: 'curl' })}\n`;

function open(): Promise<Repo> {
  return openRepo({
    logsDir: at('logs'),
    dlqDir: at('dlq'),
    stateDir: at('state'),
    durability: 'os',
    idempotency: { windowMs: 1000, maxKeys: 10 },
    maxWaitMs: 5000,
    metrics: createMetrics({ defaultMetrics: false }),
    log: createLog({ level: 'silent', format: 'json' }),
  });
}

async function store(...records: readonly (readonly [Hour, string])[]): Promise<void> {
  const repo = await open();
  for (const [hour, path] of records)
    await repo.append([{ stream: 'access', hour, count: 1, lines: Buffer.from(line(hour, path)) }]);
  await repo.close();
}

async function run(...args: string[]) {
  const { io, stdout, stderr } = createTestIo({ env: { LOGFORGE_LOGGING_FORMAT: 'json' } });
  const folders = ['logs', 'analytics', 'state', 'dlq'].flatMap((name) => [`--${name}-dir`, at(name)]);
  return { status: await aggregate.run([...folders, ...args], io), stdout: stdout(), stderr: stderr() };
}

const totals = (hour: string): number | undefined => {
  const path = at('analytics', '2015-05-17', `summary_${hour}.json`);
  return fs.existsSync(path) ? JSON.parse(fs.readFileSync(path, 'utf8')).totalRequests : undefined;
};

describe('logforge aggregate', () => {
  it('summarises what was stored', async () => {
    await store([HOUR, '/a'], [HOUR, '/b'], [HOUR + 1, '/c']);
    const { status, stdout } = await run();
    expect(stdout).toMatch(/^2 hours written, 0 unchanged, 0 missing, 0 failed; 3 records, 0 corrupt lines, /);
    expect(status).toBe(EXIT.ok);
    expect([totals('10'), totals('11')]).toEqual([2, 1]);
  });

  it('looks at every hour of a range, and rebuilds when asked to', async () => {
    await store([HOUR, '/a'], [HOUR + 1, '/b'], [HOUR + 2, '/c']);
    expect((await run('--from', '2015-05-17T11')).stdout).toMatch(/^2 hours written, /);
    expect([totals('10'), totals('11'), totals('12')]).toEqual([undefined, 1, 1]);
    expect((await run('--to', '2015-05-17T12')).stdout).toMatch(/^1 hours written, 1 unchanged, /);
    expect((await run('--all')).stdout).toMatch(/^0 hours written, 3 unchanged, /);
    expect((await run('--all', '--rebuild')).stdout).toMatch(/^3 hours written, .* 3 records, /);
  });

  it('takes in files that were put there by hand, and nothing else that lies there', async () => {
    fs.mkdirSync(at('logs', '2015-05-17'), { recursive: true });
    fs.mkdirSync(at('logs', 'lost+found'));
    fs.writeFileSync(at('logs', '2015-05-17', '10.log.json'), `${line(HOUR, '/a')}rubbish\n`);
    fs.writeFileSync(at('logs', '2015-05-17', '25.log.json'), line(HOUR, '/a'));
    fs.writeFileSync(at('logs', '2015-05-17', 'notes.txt'), 'x');
    const { stdout, stderr } = await run('--all');
    expect(stdout).toMatch(/^1 hours written, .* 1 records, 1 corrupt lines, /);
    expect(stderr).toContain('corrupt lines were not counted');
  });

  it('summarises the hours of every stream, or of one, and those by new dimensions with --all', async () => {
    await store([HOUR, '/a']);
    const event = `{"timestamp":"${hourToIso(HOUR)}","level":"INFO","message":"m","service":"s"}\n`;
    const task = `{"timestamp":"${hourToIso(HOUR)}","a":"x"}\n`;
    const repo = await open();
    for (const [stream, text] of [
      ['events', event],
      ['tasks', task],
      ['gone', task],
    ] as const)
      await repo.append([{ stream, hour: HOUR, count: 1, lines: Buffer.from(text) }]);
    await repo.close();
    const config = at('logforge.yaml');
    const countBy = (names: string) =>
      fs.writeFileSync(config, `streams:\n  - {name: tasks, required: [a], countBy: [${names}]}\n`);
    countBy('a');
    expect((await run('--config', config, '--stream', 'events')).stdout).toMatch(/^1 hours written, 0 unchanged, /);
    await expect(run('--config', config, '--stream', 'event')).rejects.toThrow(
      '--stream: there is no stream "event"; did you mean events?',
    );
    expect((await run('--config', config)).stdout).toMatch(/^2 hours written, 0 unchanged, 0 missing, 0 failed; /);
    const read = (stream: string) =>
      JSON.parse(fs.readFileSync(at('analytics', stream, '2015-05-17', 'summary_10.json'), 'utf8')).counts;
    expect([read('events'), read('tasks')]).toEqual([{ level: { INFO: 1 }, service: { s: 1 } }, { a: { x: 1 } }]);
    expect(fs.existsSync(at('analytics', 'gone'))).toBe(false);
    countBy('b, a');
    expect((await run('--config', config, '--stream', 'tasks', '--all')).stdout).toMatch(/^1 hours written, /);
    expect(read('tasks')).toEqual({ b: { '-': 1 }, a: { x: 1 } });
    const note = fs.readFileSync(at('analytics', 'tasks', '.dimensions.json'), 'utf8');
    expect(JSON.parse(note)).toEqual({ countBy: ['b', 'a'] });
  });

  it('fails when an hour cannot be summarised, and does the others', async () => {
    await store([HOUR, '/a'], [HOUR + 1, '/b']);
    fs.mkdirSync(at('analytics', '2015-05-17', 'summary_10.json'), { recursive: true });
    const { status, stdout, stderr } = await run();
    expect(stdout).toMatch(/^1 hours written, .* 1 failed; /);
    expect(stderr).toContain('cannot summarise hour');
    expect(status).toBe(EXIT.failure);
    expect(totals('11')).toBe(1);
  });

  it('changes nothing while a service owns the folders', async () => {
    await store([HOUR, '/a']);
    const repo = await open();
    try {
      await expect(run()).rejects.toThrow(
        /another logforge process owns .*: a running service writes the summaries itself; stop it first/,
      );
    } finally {
      await repo.close();
    }
    expect(totals('10')).toBeUndefined();
  });

  it('makes no folders where there is no data', async () => {
    await expect(run()).rejects.toThrow(/^cannot find the folder storage.logsDir=/);
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it('refuses flags that do not fit together', async () => {
    for (const args of [
      ['--all', '--from', '2015-05-17T10'],
      ['--rebuild'],
      ['--from', 'yesterday'],
      ['--from', '2015-05-17T10', '--to', '2015-05-17T10'],
      ['extra'],
    ])
      await expect(run(...args)).rejects.toThrow(UsageError);
  });
});
