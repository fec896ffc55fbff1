import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WILD_FILES, WILD_FOLDER } from '../../src/decode/files/wild.case.ts';
import { type Finished, runLogforge, runProgram } from '../support/run.ts';
import { cleanEnv, logforge, removeDirs, type Service, startService } from '../support/service.ts';
import { readHourFiles } from '../support/storage.ts';

/* The files of testdata/wild by the whole program: `logforge replay`, HTTP and the hours on disk. */

const WINDOW = '3s';
const BEYOND_WINDOW_S = 4;

let service: Service;
beforeAll(async () => {
  const env = { LOGFORGE_AGGREGATION_ENABLED: 'false', LOGFORGE_INGESTION_IDEMPOTENCY_WINDOW: WINDOW };
  service = await startService({ env });
});
afterAll(async () => {
  await service.stop('SIGKILL');
  await removeDirs(service.dirs);
});

type Record = Readonly<{ [field: string]: unknown }>;

/** What the service stores during a run, hour by hour, as it stands in the files. */
async function storedBy<T>(run: () => Promise<T>): Promise<readonly [T, readonly Record[]]> {
  const before = await readHourFiles(service.dirs);
  const result = await run();
  const lines: Record[] = [];
  for (const [hour, bytes] of await readHourFiles(service.dirs)) {
    const added = bytes.subarray(before.get(hour)?.length ?? 0).toString();
    for (const line of added.split('\n').slice(0, -1)) lines.push(JSON.parse(line));
  }
  return [result, lines];
}

const replay = (...args: readonly string[]) => storedBy(() => runLogforge(['replay', '--url', service.url, ...args]));

/** In the order of hours, and within an hour as they were sent. */
function byHour(records: readonly Record[]): readonly Record[] {
  const hours = Map.groupBy(records, ({ timestamp }) => String(timestamp).slice(0, 13));
  return [...hours].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, ofHour]) => ofHour);
}

/** What a run said about its files, without the paths' folder. */
function linesOf({ stderr }: Finished): readonly string[] {
  return stderr.replaceAll(`${WILD_FOLDER}/`, '').trimEnd().split('\n');
}

it('stores what a user expects of every file, and names every line that it cannot read', async () => {
  const names = Object.keys(WILD_FILES);
  const expected = names.flatMap((name) => WILD_FILES[name]?.records ?? []);
  const reasons = names.flatMap((name) => (WILD_FILES[name]?.reasons ?? []).map((reason) => [name, reason]));
  const [run, records] = await replay('--max-rejects', '10', ...names.map((name) => join(WILD_FOLDER, name)));
  const said = linesOf(run).filter((line) => line.includes('cannot read'));
  expect(said.map((line) => line.split(': cannot read line '))).toEqual(reasons);
  expect(records).toMatchObject(byHour(expected));
  expect(linesOf(run)).toContainEqual(expect.stringMatching(/^trailing-garbage\.log\.gz: .*left out/));
  expect([run.code, run.stdout]).toEqual([
    0,
    expect.stringMatching(
      new RegExp(
        `^replayed ${expected.length} records in ${names.length} batches, ${reasons.length} records unreadable`,
      ),
    ),
  ]);
});

it('keeps what a line knows beyond the three fields, or not', async () => {
  const log = join(WILD_FOLDER, 'aws-alb.log');
  const [, all] = await replay('--source', 'all', log);
  const [, core] = await replay('--source', 'core', '--fields', 'core', log);
  const record = { timestamp: '2020-01-01T00:55:04.127531Z', path: '/path/index.html', userAgent: 'curl/8' };
  expect(core).toEqual([record]);
  expect(all).toEqual([
    {
      ...record,
      client: '192.0.2.1',
      host: 'www.example.com',
      method: 'GET',
      protocol: 'HTTP/1.1',
      status: 200,
      bytes: 24950,
      durationSeconds: 0.103,
    },
  ]);
});

it('stores all whole lines of a file that was cut while it was packed, and says that it is cut', async () => {
  const path = join(WILD_FOLDER, 'truncated-while-written.log.gz');
  const [run, records] = await replay(path);
  expect(records).toHaveLength(792);
  expect(records.at(-1)).toMatchObject({ path: '/gz2/791' });
  expect(run.code).toBe(1);
  expect(run.stderr).toContain('is cut: its packed content ends in the middle');
  expect(run.stdout).toContain('replayed 792 records');
  expect(run.stdout).toContain(' 0 lines unreadable');
});

it('lets an unfinished last line wait for its end, with a checkpoint', async () => {
  const { root } = service.dirs;
  const log = join(root, 'partial.log');
  const args = ['--checkpoint', join(root, 'partial.checkpoint'), log];
  await copyFile(join(WILD_FOLDER, 'partial-last-line-1-first-run.log'), log);
  const [first, before] = await replay(...args);
  expect(before).toMatchObject([{ path: '/p1' }]);
  expect([first.code, first.stderr]).toEqual([0, expect.stringContaining('the last line has no end yet')]);
  await copyFile(join(WILD_FOLDER, 'partial-last-line-2-file-completed-p2-is-lost.log'), log);
  const [second, after] = await replay(...args);
  expect(after).toMatchObject([{ path: '/p2', client: '192.0.2.1', status: 200 }]);
  expect([second.code, second.stdout]).toEqual([0, expect.stringMatching(/^replayed 1 record .* 0 lines unreadable/)]);
});

it(`stores each line once by rotate-numbers-counts-twice.sh, beyond the window of keys`, async () => {
  const { root } = service.dirs;
  const bin = join(root, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'logforge'), `#!/bin/sh\nexec ${logforge().join(' ')} "$@"\n`);
  await chmod(join(bin, 'logforge'), 0o755);
  const env = {
    ...cleanEnv(),
    PATH: [bin, process.env.PATH].join(delimiter),
    TMPDIR: root,
    URL: service.url,
    WAIT: String(BEYOND_WINDOW_S),
  };
  const script = join(WILD_FOLDER, 'rotate-numbers-counts-twice.sh');
  const [run, records] = await storedBy(() => runProgram(['sh', '-eu', script], { env }));
  expect([run.code, run.stderr]).toEqual([0, expect.any(String)]);
  const days = [1, 2, 3].flatMap((day) => Array.from({ length: 50 }, (_, i) => `/d${day}/${i}`));
  expect(records.map(({ path }) => path).sort()).toEqual(days.sort());
});

it('stores all lines of raw control characters, which are six times as long in a request', async () => {
  const log = join(service.dirs.root, 'control.log');
  const lineOf = (i: number) =>
    `192.0.2.1 - - [07/Mar/2026:10:00:${String(i % 60).padStart(2, '0')} +0000] "GET /ctl${i} HTTP/1.1" 200 5 "-" "${'\u0001'.repeat(30_000)}"\n`;
  await writeFile(log, Array.from({ length: 130 }, (_, i) => lineOf(i)).join(''));
  const [run, records] = await replay(log);
  expect([run.code, run.stderr]).toEqual([0, '']);
  expect(records.map(({ path }) => path)).toEqual(Array.from({ length: 130 }, (_, i) => `/ctl${i}`));
  expect(new Set(records.map(({ userAgent }) => userAgent))).toEqual(new Set(['\u0001'.repeat(30_000)]));
});
