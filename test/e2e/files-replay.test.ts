import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { numberedLine } from '../support/forwarding.ts';
import { type Finished, runLogforge } from '../support/run.ts';
import { cleanEnv, logforge, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';

/* `logforge replay` as it is used: from a pipe, interrupted, beside another run, with bad files; and a service with limits of time. */

let service: Service;
let next = 0;
beforeAll(async () => {
  service = await startService({
    env: {
      LOGFORGE_AGGREGATION_ENABLED: 'false',
      LOGFORGE_INGESTION_MAX_HOURS_PER_BATCH: '2',
      LOGFORGE_INGESTION_EMPTY_USER_AGENT: 'dash',
      LOGFORGE_INGESTION_MIN_TIMESTAMP: '2000-01-01T00:00:00Z',
      LOGFORGE_INGESTION_MAX_FUTURE: '24h',
      LOGFORGE_SERVER_MAX_BODY_BYTES: '256KiB',
    },
  });
});
afterAll(async () => {
  await service.stop('SIGKILL');
  await removeDirs(service.dirs);
});

const inRoot = (name: string) => join(service.dirs.root, name);
const replay = (...args: readonly string[]) => runLogforge(['replay', '--url', service.url, ...args]);

/** Lines of an access log that no other test has, and their numbers. */
function makeLines(count: number) {
  const numbers = Array.from({ length: count }, () => next++);
  return { numbers, text: numbers.map(numberedLine).join('') };
}

/** How often each number is stored; of `numbers` those that are. */
async function storedOf(numbers: readonly number[]): Promise<number[]> {
  const wanted = new Set(numbers);
  const stored = (await readRecords(service.dirs)).map(({ path }) => Number(String(path).slice(1)));
  return stored.filter((number) => wanted.has(number)).sort((a, b) => a - b);
}

interface Piped {
  readonly child: ChildProcess;
  readonly ended: Promise<Finished>;
}

/** A run that is fed by a test and may be given signals. */
function startReplay(...args: readonly string[]): Piped {
  let child: ChildProcess | undefined;
  const ended = runLogforge(['replay', '--url', service.url, ...args], {
    started: (process) => {
      child = process;
    },
  });
  if (child === undefined) throw new Error('the run has no process');
  onTestFinished(() => void child?.kill('SIGKILL'));
  return { child, ended };
}

it('stores the lines of tail -F within a second or so, and prints the summary after Ctrl-C', async () => {
  const log = inRoot('followed.log');
  const { numbers, text: lines } = makeLines(3);
  writeFileSync(log, lines);
  const pipeline = ['-c', 'tail -n +1 -F "$0" | "$@"', log, ...logforge('replay', '--url', service.url, '-')];
  // In a group of its own: Ctrl-C goes to all of a pipeline.
  const shell = spawn('sh', pipeline, { env: cleanEnv(), stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const interrupt = () => process.kill(-(shell.pid ?? 0), 'SIGINT');
  const ended = text(shell.stdout);
  onTestFinished(() => void (shell.exitCode === null && shell.signalCode === null && interrupt()));
  await eventually(async () => expect(await storedOf(numbers)).toEqual(numbers));
  for (let i = 0; i < 3; i++) {
    const more = makeLines(1);
    numbers.push(...more.numbers);
    const appended = performance.now();
    appendFileSync(log, more.text);
    await eventually(async () => expect(await storedOf(numbers)).toEqual(numbers));
    expect(performance.now() - appended).toBeLessThan(3_000);
  }
  interrupt();
  expect(await ended).toMatch(/^replayed 6 records in \d+ batches, 0 lines unreadable/m);
});

it('ends with status 1 and the summary when it is interrupted, and the next run goes on', async () => {
  const log = inRoot('interrupted.log');
  const { numbers, text } = makeLines(2_000);
  writeFileSync(log, text);
  const args = ['--checkpoint', inRoot('interrupted.checkpoint'), '--batch', '20', log];
  const { child, ended } = startReplay('--rate', '200', ...args);
  await eventually(async () => expect((await storedOf(numbers)).length).toBeGreaterThan(20));
  const beside = await replay(...args);
  expect([beside.code, beside.stderr]).toEqual([
    1,
    expect.stringMatching(/another run uses the checkpoint path=.*interrupted\.checkpoint/),
  ]);
  child.kill('SIGINT');
  const { code, stdout } = await ended;
  expect([code, stdout]).toEqual([1, expect.stringMatching(/^replayed \d+ records in \d+ batches/)]);
  const stored = (await storedOf(numbers)).length;
  expect(stored).toBeLessThan(numbers.length);
  expect(stdout).toContain(`replayed ${stored.toLocaleString('en-US')} records`);
  const again = await replay(...args);
  expect([again.code, again.stderr]).toEqual([0, expect.stringContaining(`continuing after line ${stored}`)]);
  expect(await storedOf(numbers)).toEqual(numbers);
});

it('goes on after a bad file, keeps what it cannot read, and ends with status 1', async () => {
  const rejects = inRoot('rejects.ndjson');
  const good = makeLines(30);
  const last = makeLines(2);
  writeFileSync(inRoot('good.log'), good.text.replace('\n', '\njunk\n'));
  writeFileSync(inRoot('last.log'), last.text);
  writeFileSync(inRoot('bad.csv'), 'when,what\n1,2\n');
  writeFileSync(inRoot('empty.log'), '');
  const files = ['missing.log', 'bad.csv', 'good.log', 'empty.log', 'last.log'].map(inRoot);
  const { code, stdout, stderr } = await replay('--rejects', rejects, ...files, service.dirs.root);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^replayed 32 records in 2 batches, 1 line unreadable \(\S*good\.log:2\)/);
  const problems = stderr.trimEnd().split('\n');
  expect(problems).toEqual([
    expect.stringMatching(/missing\.log: .*no such file/),
    expect.stringMatching(/bad\.csv: .*its columns are "when", "what"/),
    expect.stringMatching(/good\.log: cannot read line 2: not a line of the combined format/),
    expect.stringContaining('it is a folder'),
  ]);
  expect(await storedOf([...good.numbers, ...last.numbers])).toEqual([...good.numbers, ...last.numbers]);
  expect(
    (await readFile(rejects, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    expect.objectContaining({
      file: inRoot('good.log'),
      number: 2,
      line: 'junk',
      reason: expect.stringContaining('combined'),
    }),
  ]);
  const few = await replay('--max-rejects', '2', '--source', 'again', inRoot('good.log'));
  expect([few.code, few.stderr]).toEqual([1, expect.stringContaining('(--max-rejects)')]);
});

it.each([
  ['gzip', (text: string) => gzipSync(text)],
  ['zstd', (text: string) => zstdCompressSync(text)],
])('reads %s under any name, and from standard input', async (name, pack) => {
  const file = makeLines(20);
  const piped = makeLines(20);
  const odd = inRoot(`access-20260305.${name}-of-yesterday`);
  writeFileSync(odd, pack(file.text));
  const { child, ended } = startReplay(odd, '-');
  child.stdin?.end(pack(piped.text));
  const { code, stderr } = await ended;
  expect([code, stderr]).toEqual([0, '']);
  const numbers = [...file.numbers, ...piped.numbers];
  expect(await storedOf(numbers)).toEqual(numbers);
});

it('cuts its batches to the hours that the service takes', async () => {
  const log = inRoot('hours.ndjson');
  const { numbers } = makeLines(200);
  const record = (number: number, i: number) => {
    const timestamp = new Date(Date.UTC(2026, 0, 1) + (i % 50) * 3_600_000).toISOString();
    return `${JSON.stringify({ timestamp, path: `/${number}`, userAgent: '' })}\n`;
  };
  writeFileSync(log, numbers.map(record).join(''));
  const { code, stdout, stderr } = await replay(log);
  expect([code, stderr, stdout]).toEqual([0, '', expect.stringMatching(/^replayed 200 records .* 0 duplicates/)]);
  expect(await storedOf(numbers)).toEqual(numbers);
  const agents = (await readRecords(service.dirs)).filter(({ path }) =>
    numbers.includes(Number(String(path).slice(1))),
  );
  expect(new Set(agents.map(({ userAgent }) => userAgent))).toEqual(new Set(['-']));
  expect((await replay(log)).stdout).toContain('200 duplicates');
});

it('halves a batch that is too large for the service', async () => {
  const log = inRoot('long.log');
  const { numbers } = makeLines(60);
  // A byte of the log is six of the request.
  writeFileSync(log, numbers.map((number) => numberedLine(number).replace('curl/8', '\u0001'.repeat(10_000))).join(''));
  const { code, stderr } = await replay(log);
  expect([code, stderr]).toEqual([0, '']);
  expect(await storedOf(numbers)).toEqual(numbers);
});

it('is told by name which records are too far from now, and stores the rest', async () => {
  const { numbers } = makeLines(1);
  const at = (timestamp: string, path: string) => JSON.stringify({ timestamp, path, userAgent: ' ' });
  const early = at('1999-12-31T23:59:59Z', '/early');
  const late = at(new Date(Date.now() + 48 * 3_600_000).toISOString(), '/late');
  const body = `${early}\n${late}\n${at('2026-03-05T10:00:00Z', `/${numbers[0]}`)}\n`;
  const headers = { 'Content-Type': 'application/x-ndjson' };
  const refused = await fetch(`${service.url}/logs`, { method: 'POST', body, headers });
  expect(refused.status).toBe(400);
  const text = await refused.text();
  expect(text).toContain('before 2000-01-01T00:00:00Z (ingestion.minTimestamp)');
  expect(text).toContain('(ingestion.maxFuture)');
  expect(await storedOf(numbers)).toEqual([]);

  const log = inRoot('outliers.ndjson');
  writeFileSync(log, body);
  const { code, stdout, stderr } = await replay(log);
  expect([code, stdout]).toEqual([1, expect.stringMatching(/^replayed 1 record .* 2 refused by the service/)]);
  expect(stderr).toMatch(/line 1 was refused: .*ingestion\.minTimestamp/);
  expect(stderr).toMatch(/line 2 was refused: .*ingestion\.maxFuture/);
  expect(await storedOf(numbers)).toEqual(numbers);
});
