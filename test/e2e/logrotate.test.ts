import { type ChildProcess, execFile } from 'node:child_process';
import { closeSync, globSync, mkdirSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { INSTALL_TIMEOUT_MS, unpackPackage } from '../support/debian.ts';
import { numberedLine, RotatedLog, startForward } from '../support/forwarding.ts';
import { runLogforge } from '../support/run.ts';
import { makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';

/* Logs that logrotate moves away and packs: by `logforge replay` from cron, and under a running `logforge forward`. */

const run = promisify(execFile);
const DAYS = 7;
/** Fewer lines than the first KiB that a file is known by, and more. */
const LINES = [3, 40] as const;
const BASE = 1_000_000;

async function start(): Promise<Service> {
  const dirs = await makeDirs();
  const service = await startService({ dirs, env: { LOGFORGE_AGGREGATION_ENABLED: 'false' } });
  onTestFinished(async () => {
    await service.stop('SIGKILL');
    await removeDirs(dirs);
  });
  return service;
}

async function storedNumbers({ dirs }: Service): Promise<number[]> {
  const records = await readRecords(dirs);
  return records.map(({ path }) => Number(String(path).slice(1))).sort((a, b) => a - b);
}

/** As the shell expands `access.log*`. */
function logsIn({ folder }: RotatedLog): string[] {
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
}

function makeLog(root: string, name: string, index: number): RotatedLog {
  const folder = join(root, name);
  mkdirSync(folder, { mode: 0o755 });
  return new RotatedLog(folder, index * BASE);
}

it('a week of logrotate, with replay --checkpoint from cron, stores each line once', { timeout: 120_000 }, async () => {
  const service = await start();
  const { root } = service.dirs;
  const ways = ['rename', 'delaycompress', 'compress', 'copy'] as const;
  const logs = ways.map((way, index) => ({ way, log: makeLog(root, way, index) }));
  const files = () => logs.flatMap(({ log }) => logsIn(log));
  const args = ['replay', '--url', service.url, '--checkpoint', join(root, 'replay.checkpoint')];
  const write = (lines: number) => {
    for (const { log } of logs) log.write(lines);
  };
  const rotate = () => Promise.all(logs.map(({ way, log }) => log.rotate(way)));
  const cron = async () => {
    const { code, stderr } = await runLogforge([...args, ...files()]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
  };

  /** A run that has begun to send, slowly, and goes on. */
  async function startSlowly() {
    const before = (await storedNumbers(service)).length;
    let child: ChildProcess | undefined;
    const ended = runLogforge([...args, '--batch', '5', '--rate', '100', ...files()], {
      started: (process) => {
        child = process;
      },
    });
    await eventually(async () => expect((await storedNumbers(service)).length).toBeGreaterThan(before));
    return { ended, kill: () => child?.kill('SIGKILL') };
  }

  for (let day = 0; day < DAYS; day++) {
    write(LINES[day % 2] ?? 0);
    if (day % 3 === 1) {
      const killed = await startSlowly();
      killed.kill();
      expect((await killed.ended).code).toBe(-1);
    }
    if (day % 3 !== 2) await cron();
    write(LINES[(day + 1) % 2] ?? 0);
    if (day % 3 !== 0) await rotate();
    else {
      const beside = await startSlowly();
      await rotate();
      const { code, stderr } = await beside.ended;
      // A name that has moved on meanwhile is missing, and the next run reads that file.
      const faults = stderr.split('\n').filter((line) => !/: continuing after |has no end yet|^$/.test(line));
      expect({ code, faults }, stderr).toEqual({
        code: faults.length > 0 ? 1 : 0,
        faults: faults.map(() => expect.stringContaining('ENOENT')),
      });
    }
    write(1);
    await cron();
  }
  const last = await runLogforge([...args, ...files()]);
  expect([last.code, last.stdout]).toEqual([0, expect.stringContaining('replayed 0 records')]);
  expect(await storedNumbers(service)).toEqual(logs.flatMap(({ log }) => log.numbers));
});

const mayFetch = process.env.CI !== undefined || process.getuid?.() === 0;

it('the real logrotate, under a running forwarder, loses no line and doubles none', {
  timeout: INSTALL_TIMEOUT_MS,
}, async (context) => {
  if (!mayFetch)
    return context.skip('this test needs the package logrotate: run it as root, or in CI, where it is fetched');
  const logrotate = await findLogrotate();
  const service = await start();
  const { root } = service.dirs;
  const logs = ['delaycompress', 'compress', 'copytruncate'].map((way, index) => ({
    way,
    log: makeLog(root, way, index),
  }));
  const config = join(root, 'logrotate.conf');
  const options = {
    delaycompress: 'compress\n delaycompress',
    compress: 'compress',
    copytruncate: 'copytruncate\n compress',
  };
  writeFileSync(
    config,
    logs.map(({ way, log }) => `${log.path} {\n rotate 20\n ${options[way as keyof typeof options]}\n}\n`).join(''),
    { mode: 0o644 },
  );
  for (const { log } of logs) log.write(LINES[1]);
  const forwarder = await startForward(
    ['--checkpoint', join(root, 'checkpoint'), service.url, ...logs.map(({ log }) => `${log.path}*`)],
    { cwd: root },
  );
  onTestFinished(async () => void (await forwarder.stop('SIGKILL')));
  for (let round = 0; round < 6; round++) {
    for (const { log } of logs) log.write(LINES[round % 2] ?? 0);
    const [renamed] = logs;
    // A program that has its log open writes on into the file that was moved away, until it is told.
    const open = openSync(renamed?.log.path ?? '', 'a');
    await logrotate('-f', '-s', join(root, 'logrotate.state'), config);
    if (renamed !== undefined) writeSync(open, numberedLine(renamed.log.written++));
    closeSync(open);
    for (const { log } of logs) log.write(1);
  }
  const numbers = logs.flatMap(({ log }) => log.numbers);
  await eventually(async () => {
    const stored = new Set(await storedNumbers(service));
    expect(numbers.filter((number) => !stored.has(number))).toEqual([]);
  });
  expect(await forwarder.stop()).toBe(0);
  expect(await storedNumbers(service)).toEqual(numbers);
  // It has rotated in truth.
  expect(readdirSync(logs[0]?.log.folder ?? '')).toEqual(expect.arrayContaining(['access.log.1', 'access.log.6.gz']));
  expect(readdirSync(logs[2]?.log.folder ?? '')).toContain('access.log.6.gz');
});

/** Debian's, unpacked and not installed. */
async function findLogrotate(): Promise<(...args: readonly string[]) => Promise<unknown>> {
  const root = await unpackPackage('logrotate');
  // Where Debian keeps libraries: in a folder for each architecture.
  const libraries = ['usr/lib', 'lib'].flatMap((folder) => globSync(join(root, folder, '*-linux-gnu*')));
  const env = { ...process.env, LD_LIBRARY_PATH: libraries.join(':') };
  return (...args) => run(join(root, 'usr/sbin/logrotate'), args, { env });
}
