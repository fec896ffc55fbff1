import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTestLog } from '../../test/support/queues.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { type Hour, hourToIso, parseHour } from '../model/hour.ts';
import { openRepo } from '../repo/file-repo.ts';
import type { Repo } from '../repo/repo.ts';
import { EXIT, UsageError } from './command.ts';
import { query } from './query.ts';
import { createTestIo } from './test-io.case.ts';

const HOUR: Hour = parseHour('2015-05-17T10') ?? 0;
let folder: string;
let repo: Repo;

beforeEach(async () => {
  folder = fs.mkdtempSync(join(tmpdir(), 'logforge-query-'));
  repo = await open();
});
afterEach(async () => {
  await repo.close();
  fs.rmSync(folder, { recursive: true });
});

const at = (...parts: string[]): string => join(folder, ...parts);
const open = (): Promise<Repo> =>
  openRepo({
    logsDir: at('logs'),
    dlqDir: at('dlq'),
    stateDir: at('state'),
    durability: 'os',
    idempotency: { windowMs: 1000, maxKeys: 10 },
    maxWaitMs: 5000,
    metrics: createMetrics({ defaultMetrics: false }),
    log: createTestLog(),
  });
const hourFile = () => at('logs', '2015-05-17', '10.log.json');
const line = (n: number, hour = HOUR): string =>
  `${JSON.stringify({ timestamp: hourToIso(hour), path: `/${n}`, userAgent: 'curl' })}\n`;
const store = (n: number, hour = HOUR) =>
  repo.append([{ stream: 'access', hour, count: 1, lines: Buffer.from(line(n, hour)) }]);

async function run(...args: string[]) {
  const { io, stdout, stderr } = createTestIo();
  const code = await query.run(['--logs-dir', at('logs'), '--state-dir', at('state'), ...args], io);
  return { code, stdout: stdout(), stderr: stderr() };
}

it('prints what is committed, and nothing that is not, while a service owns the folders', async () => {
  await store(1);
  await store(2, HOUR + 1);
  fs.appendFileSync(hourFile(), line(99));
  expect(await run()).toEqual({ code: EXIT.ok, stdout: line(1) + line(2, HOUR + 1), stderr: '' });
  expect((await run('--order', 'desc', '-n', '1')).stdout).toBe(line(2, HOUR + 1));
  expect((await run('--format', 'csv', '--fields', 'path', '-w', 'path=/1')).stdout).toBe('path\r\n/1\r\n');
});

it('takes the whole file of an hour that no journal knows', async () => {
  await store(1);
  fs.mkdirSync(at('others', '2015-05-17'), { recursive: true });
  fs.writeFileSync(at('others', '2015-05-17', '10.log.json'), `${line(1)}${line(2)}{"cut off`);
  const { io, stdout } = createTestIo();
  expect(await query.run(['--logs-dir', at('others'), '--state-dir', at('nowhere')], io)).toBe(EXIT.ok);
  expect(stdout()).toBe(line(1) + line(2));
});

it('says what cannot be read, prints the rest, and fails', async () => {
  await store(1);
  await store(2);
  fs.truncateSync(hourFile(), line(1).length + 5);
  const { code, stdout, stderr } = await run();
  expect([code, stdout]).toEqual([EXIT.failure, line(1)]);
  expect(stderr).toMatch(/cannot read \d+ bytes at offset \d+ of hour 2015-05-17T10:00:00Z: the file ends before/);
});

it('names a thousand parts that cannot be read, and says how many others there are', async () => {
  await store(1);
  for (let hour = HOUR + 24; hour < HOUR + 24 + 1_008; hour += 1) {
    const [day = '', hh = ''] = hourToIso(hour).slice(0, 13).split('T');
    fs.mkdirSync(at('logs', day), { recursive: true });
    fs.symlinkSync(`${hh}.log.json.zst`, at('logs', day, `${hh}.log.json.zst`));
  }
  const { code, stdout, stderr } = await run();
  expect([code, stdout]).toEqual([EXIT.failure, line(1)]);
  const told = stderr.trimEnd().split('\n');
  expect([told.length, told.at(-1)]).toEqual([1_001, 'logforge query: cannot read 8 other parts of hours']);
});

it('refuses the journal of other hour files', async () => {
  await store(1);
  const sequence = at('logs', '.logforge.seq');
  await expect.poll(() => fs.existsSync(sequence)).toBe(true);
  fs.cpSync(at('logs'), at('copy'), { recursive: true });
  await repo.close();
  fs.rmSync(at('state'), { recursive: true });
  fs.rmSync(at('logs'), { recursive: true });
  repo = await open();
  await store(2);
  const { io } = createTestIo();
  const other = query.run(['--logs-dir', at('copy'), '--state-dir', at('state')], io);
  await expect(other).rejects.toThrow('belongs to other hour files');
});

it.each([
  [['--where', 'level>=HIGH'], '--where must compare with a level'],
  [['--matches', '(?=a)'], '--matches must be a regular expression'],
  [['--limit', '0'], '--limit must be a whole number'],
  [['--stream', 'evnts'], 'did you mean events?'],
  [['--url', 'http://127.0.0.1:1'], 'not both'],
])('refuses %j', async (args, message) => {
  const answer = run(...args);
  await expect(answer).rejects.toThrow(message);
  await expect(answer).rejects.toBeInstanceOf(UsageError);
});

it('says that there is no such folder, and that no service answers', async () => {
  const { io } = createTestIo();
  await expect(query.run(['--logs-dir', at('nowhere')], io)).rejects.toThrow('cannot find the folder');
  await expect(query.run(['--url', 'http://127.0.0.1:1'], io)).rejects.toThrow(
    /^cannot query url=http:\/\/127.0.0.1:1: .*ECONNREFUSED/,
  );
});
