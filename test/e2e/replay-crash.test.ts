import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findAccessLog } from '../support/access-log.ts';
import { runLogforge } from '../support/run.ts';
import { makeDirs, removeDirs, startService } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';

it('a replay goes on through a kill -9 of the service, and through its own, with nothing lost or twice', async () => {
  const dirs = await makeDirs();
  const log = await findAccessLog(join(dirs.root, 'made'));
  const checkpoint = join(dirs.root, 'checkpoint.json');
  const first = await startService({ dirs });
  const replaying = ['replay', '--url', first.url, '--batch', '100', '--concurrency', '4'];

  const slowly = runLogforge([...replaying, '--rate', '5000', log.path]);
  await eventually(async () => expect((await readRecords(dirs)).length).toBeGreaterThan(1000));
  await first.stop('SIGKILL');
  const second = await startService({ dirs, args: ['--addr', `127.0.0.1:${first.port}`] });
  const { code, stdout, stderr } = await slowly;
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('next attempt in') });
  expect(stdout).toContain(`replayed ${log.records.toLocaleString('en-US')} records`);
  expect(await readRecords(dirs)).toHaveLength(log.records);

  const interrupted = await runLogforge([...replaying, '--rate', '5000', '--checkpoint', checkpoint, log.path], {
    timeout: 1200,
  });
  expect(interrupted.code).not.toBe(0);
  const resumed = await runLogforge([...replaying, '--checkpoint', checkpoint, log.path]);
  expect(resumed.code).toBe(0);
  expect(await readRecords(dirs)).toHaveLength(log.records);

  await second.stop();
  await removeDirs(dirs);
});
