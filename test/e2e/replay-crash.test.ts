import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { findAccessLog } from '../support/access-log.ts';
import { runLogforge } from '../support/run.ts';
import { type Dirs, makeDirs, removeDirs, startService } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';

async function setUp() {
  const dirs = await makeDirs();
  const log = await findAccessLog(join(dirs.root, 'made'));
  const service = await startService({ dirs });
  onTestFinished(async () => {
    await service.stop('SIGKILL');
    await removeDirs(dirs);
  });
  return { dirs, log, service, replaying: ['replay', '--url', service.url, '--batch', '100', '--concurrency', '4'] };
}

/** Resolves when a run is somewhere in the middle of its file. */
const midway = (dirs: Dirs) => eventually(async () => expect((await readRecords(dirs)).length).toBeGreaterThan(1_000));

it('a replay goes on through a kill -9 of the service, with nothing lost or twice', async () => {
  const { dirs, log, service, replaying } = await setUp();
  const slowly = runLogforge([...replaying, '--rate', '5000', log.path]);
  await midway(dirs);
  await service.stop('SIGKILL');
  const second = await startService({ dirs, args: ['--addr', `127.0.0.1:${service.port}`] });
  onTestFinished(async () => void (await second.stop('SIGKILL')));
  const { code, stdout, stderr } = await slowly;
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('next attempt in') });
  expect(stdout).toContain(`replayed ${log.records.toLocaleString('en-US')} records`);
  expect(await readRecords(dirs)).toHaveLength(log.records);
});

it.each([
  { remember: ['--checkpoint', 'checkpoint.json'], readAgain: 0 },
  { remember: [], readAgain: 1 },
])('a replay $remember that was killed is run again with nothing lost or twice', async ({ remember, readAgain }) => {
  const { dirs, log, replaying } = await setUp();
  let child: ChildProcess | undefined;
  const command = [...replaying, ...remember, log.path];
  const killed = runLogforge([...command, '--rate', '5000'], {
    cwd: dirs.root,
    started: (process) => {
      child = process;
    },
  });
  await midway(dirs);
  child?.kill('SIGKILL');
  expect((await killed).code).toBe(-1);
  expect((await readRecords(dirs)).length).toBeLessThan(log.records);
  const again = await runLogforge(command, { cwd: dirs.root });
  expect({ code: again.code, stderr: again.stderr }).toMatchObject({ code: 0 });
  expect(await readRecords(dirs)).toHaveLength(log.records);
  const last = await runLogforge(command, { cwd: dirs.root });
  const count = (log.records * readAgain).toLocaleString('en-US');
  expect(last.stdout).toMatch(new RegExp(`^replayed ${count} records .* ${count} duplicates`));
  expect(await readRecords(dirs)).toHaveLength(log.records);
});
