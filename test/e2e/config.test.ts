import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runLogforge } from '../support/run.ts';
import { type Dirs, makeDirs, removeDirs, startService } from '../support/service.ts';

let dirs: Dirs;
beforeEach(async () => {
  dirs = await makeDirs();
});
afterEach(async () => {
  await removeDirs(dirs);
});

describe('a bad configuration', () => {
  it('ends with status 78, every problem listed, and nothing started', async () => {
    const path = join(dirs.root, 'config.yaml');
    await writeFile(path, 'server:\n  maxBodyByts: 1MiB\n  bodyTimeout: soon\nstorage:\n  durability: maybe\n');
    const args = ['serve', '--config', path, '--logs-dir', join(dirs.root, 'none')];
    const { code, stderr, stdout } = await runLogforge(args, { cwd: dirs.root });
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr).toMatch(/config\.yaml:2: server\.maxBodyByts: .*maxBodyBytes/);
    expect(stderr).toMatch(/config\.yaml:3: server\.bodyTimeout: .*soon/);
    expect(stderr).toMatch(/config\.yaml:5: storage\.durability: .*maybe/);
    expect(existsSync(join(dirs.root, 'none'))).toBe(false);
  });

  it('in the environment too', async () => {
    const { code, stderr } = await runLogforge(['serve'], { cwd: dirs.root, env: { LOGFORGE_SERVER_THREADS: 'many' } });
    expect(code).toBe(78);
    expect(stderr).toContain('LOGFORGE_SERVER_THREADS');
  });

  it('is told by validate with the same status', async () => {
    const path = join(dirs.root, 'config.yaml');
    await writeFile(path, 'serve: {}\n');
    expect((await runLogforge(['validate', path])).code).toBe(78);
  });
});

describe('the command line', () => {
  it.each([
    [['serve', '--prot', '1'], 2],
    [['serv'], 2],
    [['replay'], 2],
    [['replay', '/no/such/file'], 1],
    [['version'], 0],
    [['serve', '--help'], 0],
    [['replay', '--help'], 0],
  ])('%j ends with status %i', async (args, status) => {
    expect((await runLogforge(args, { cwd: dirs.root })).code).toBe(status);
  });

  it('the service comes up on flags alone, in folders that are not there yet', async () => {
    const folders = ['--logs-dir', join(dirs.root, 'a/b/logs'), '--analytics-dir', join(dirs.root, 'a/b/analytics')];
    const service = await startService({ dirs, args: folders });
    const record = [{ timestamp: '2015-05-17T10:00:00Z', path: '/', userAgent: 'a' }];
    const answer = await fetch(`${service.url}/logs`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(record),
    });
    expect(answer.status).toBe(202);
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    expect(await readdir(join(dirs.root, 'a/b/logs/2015-05-17'))).toEqual(['10.log.json']);
  });
});
