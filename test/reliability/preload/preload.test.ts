import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../../support/client.ts';
import { cleanEnv, removeDirs, startService } from '../../support/service.ts';
import { eventually, readRecords } from '../../support/storage.ts';
import { createDiskControl, type DiskControl } from './control.ts';
import type { DiskOrder } from './orders.ts';

const run = promisify(execFile);

let folder: string;
let control: DiskControl;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'logforge-preload-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(() => {
  control = createDiskControl();
});
afterEach(() => control.close());

/** Runs a program with the preload. Gives what it prints, as JSON. */
async function execute(lines: string): Promise<unknown> {
  const path = join(folder, 'program.ts');
  await writeFile(path, `${lines}\n`);
  const imports = control.start.preload.flatMap((each) => ['--import', each]);
  const { stdout } = await run(process.execPath, [...imports, path, folder], {
    env: { ...cleanEnv(), ...control.start.env },
    timeout: 20_000,
  });
  return JSON.parse(stdout);
}

const EDGE = `
  import { diskFileSystem, writeFully } from '${join(import.meta.dirname, '../../../src/disk/file-system.ts')}';
  import * as fs from 'node:fs';
  const at = (name) => process.argv[2] + '/' + name;
  const outcomes = [];
  const attempt = async (use) => {
    try { outcomes.push((await use()) ?? 'done'); } catch (error) { outcomes.push(error.code); }
  };`;
const END = '\nconsole.log(JSON.stringify(outcomes));';

const NO_SPACE: DiskOrder['fault'] = { kind: 'error', code: 'ENOSPC' };

describe('an order on the disk', () => {
  it('strikes the operations that it counts, of the file that it names, and no other', async () => {
    const order = { operations: ['write'], path: '/one$', skip: 1, times: 2, fault: NO_SPACE } as const;
    const held = await control.order(order);
    const outcomes = await execute(`${EDGE}
      const [one, other] = [await diskFileSystem.open(at('one')), await diskFileSystem.open(at('other'))];
      for (let i = 0; i < 5; i++) {
        await attempt(() => diskFileSystem.write(one, [Buffer.from('ab')], i * 2));
        await attempt(() => diskFileSystem.write(other, [Buffer.from('ab')], i * 2));
      }
      await attempt(() => diskFileSystem.sync(one));${END}`);
    expect(outcomes).toEqual([2, 2, 'ENOSPC', 2, 'ENOSPC', 2, 2, 2, 2, 2, 'done']);
    expect(held.strikes).toEqual(Array(2).fill({ operation: 'write', path: join(folder, 'one') }));
  });

  it.each([
    ['open', `diskFileSystem.open(at('x'))`],
    ['open', `fs.openSync(at('x'), 'r')`],
    ['open', `fs.promises.open(at('x'), 'r').then((handle) => handle.close())`],
    ['write', `diskFileSystem.write(fd, [Buffer.alloc(3)], 0)`],
    ['write', `diskFileSystem.write(fd, [Buffer.alloc(100_000)], 0)`],
    ['write', `fs.writeFileSync(fd, 'abc')`],
    ['write', `fs.promises.writeFile(at('x'), 'abc')`],
    ['write', `handle.appendFile('abc')`],
    ['sync', `diskFileSystem.sync(fd)`],
    ['sync', `fs.fdatasyncSync(fd)`],
    ['sync', `handle.datasync()`],
    ['syncFolder', `diskFileSystem.syncFolder(at(''))`],
    ['truncate', `diskFileSystem.truncate(at('x'), 1)`],
    ['truncate', `diskFileSystem.truncateOpen(fd, 1)`],
    ['read', `diskFileSystem.read(fd, Buffer.alloc(1), 0)`],
    ['read', `fs.readFileSync(at('x'))`],
    ['read', `fs.promises.readFile(at('x'))`],
    ['remove', `diskFileSystem.remove(at('x'))`],
    ['remove', `fs.promises.rm(at('x'))`],
    ['remove', `fs.rmSync(at('x'))`],
    ['rename', `fs.renameSync(at('x'), at('y'))`],
    ['makeFolder', `fs.promises.mkdir(at('z'), { recursive: true })`],
    ['list', `fs.promises.readdir(at(''))`],
  ] as const)('reaches %s by %s, once', async (operation, call) => {
    const held = await control.order({
      operations: [operation],
      path: `^${folder}(/[xz]?)?$`,
      times: 1,
      fault: { kind: 'error', code: 'EIO' },
    });
    const isOpen = operation === 'open';
    const outcomes = await execute(`${EDGE}
      ${isOpen ? '' : `const fd = await diskFileSystem.open(at('x')); const handle = await fs.promises.open(at('x'), 'a');`}
      await attempt(() => ${call});
      await attempt(async () => { await ${call}; });
      ${isOpen ? '' : 'await handle.close();'}${END}`);
    expect(outcomes).toEqual(['EIO', expect.anything()]);
    expect(held.strikes).toHaveLength(1);
    expect((outcomes as string[])[1]).not.toBe('EIO');
  });

  it('can write short, and the writer goes on', async () => {
    await control.order({ operations: ['write'], path: '/short$', fault: { kind: 'short', share: 0.5 } });
    const outcomes = await execute(`${EDGE}
      const fd = await diskFileSystem.open(at('short'));
      await attempt(() => diskFileSystem.write(fd, [Buffer.from('abc'), Buffer.from('defgh')], 0));
      await attempt(() => writeFully(diskFileSystem, fd, [Buffer.from('abc'), Buffer.from('defgh')], 0));${END}`);
    expect(outcomes).toEqual([4, 'done']);
    expect(await readFile(join(folder, 'short'), 'utf8')).toBe('abcdefgh');
  });

  it('can write a part and fail', async () => {
    const fault = { kind: 'partial', share: 0.5, code: 'EIO' } as const;
    await control.order({ operations: ['write'], path: '/part$', fault });
    const outcomes = await execute(`${EDGE}
      const fd = await diskFileSystem.open(at('part'));
      await attempt(() => diskFileSystem.write(fd, [Buffer.from('abcdefgh')], 0));${END}`);
    expect(outcomes).toEqual(['EIO']);
    expect(await readFile(join(folder, 'part'), 'utf8')).toBe('abcd');
  });

  it('can lose what was written since the last sync, and the next sync succeeds', async () => {
    const fault = { kind: 'lose', code: 'EIO' } as const;
    await control.order({ operations: ['sync'], path: '/lost$', skip: 1, times: 1, fault });
    const outcomes = await execute(`${EDGE}
      const fd = await diskFileSystem.open(at('lost'));
      const write = (text, position) => diskFileSystem.write(fd, [Buffer.from(text)], position);
      await write('synced', 0);
      await attempt(() => diskFileSystem.sync(fd));
      await write('XX', 1);
      await write('YY', 5);
      await attempt(() => diskFileSystem.sync(fd));
      await attempt(() => diskFileSystem.sync(fd));${END}`);
    expect(outcomes).toEqual(['done', 'EIO', 'done']);
    expect(await readFile(join(folder, 'lost'), 'latin1')).toBe('synced\0');
  });

  it('loses nothing that was synced between two orders', async () => {
    const fault = { kind: 'lose', code: 'EIO' } as const;
    const first = await control.order({ operations: ['sync'], path: '/between$', skip: 9, fault });
    const outcomes = execute(`${EDGE}
      const fd = await diskFileSystem.open(at('between'));
      const meet = async (name) => {
        fs.closeSync(fs.openSync(at(name + '-here'), 'w'));
        while (!fs.existsSync(at(name + '-go'))) await new Promise((resolve) => setTimeout(resolve, 5));
      };
      await diskFileSystem.write(fd, [Buffer.from('synced')], 0);
      await meet('lifted');
      await diskFileSystem.sync(fd);
      await meet('ordered');
      await diskFileSystem.write(fd, [Buffer.from('lost')], 6);
      await attempt(() => diskFileSystem.sync(fd));${END}`);
    const met = (name: string) => eventually(() => expect(existsSync(join(folder, `${name}-here`))).toBe(true));
    await met('lifted');
    await first.lift();
    await writeFile(join(folder, 'lifted-go'), '');
    await met('ordered');
    await control.order({ operations: ['sync'], path: '/between$', fault });
    await writeFile(join(folder, 'ordered-go'), '');
    expect(await outcomes).toEqual(['EIO']);
    expect(await readFile(join(folder, 'between'), 'latin1')).toBe('synced\0\0\0\0');
  });

  it('can make an operation slow', async () => {
    const fault = { kind: 'delay', ms: 300, jitterMs: 0, seed: 1 } as const;
    await control.order({ operations: ['sync'], path: '/slow$', times: 2, fault });
    const outcomes = await execute(`${EDGE}
      const fd = await diskFileSystem.open(at('slow'));
      const measure = async (use) => { const start = performance.now(); await use(); outcomes.push(performance.now() - start); };
      await measure(() => diskFileSystem.sync(fd));
      await measure(() => fs.fdatasyncSync(fd));
      await measure(() => diskFileSystem.sync(fd));${END}`);
    const [first = 0, second = 0, third = 0] = outcomes as number[];
    expect(first).toBeGreaterThan(290);
    expect(second).toBeGreaterThan(290);
    expect(third).toBeLessThan(290);
  });
});

describe('the clock', () => {
  it('jumps for Date alone', async () => {
    await control.setClock(-86_400_000);
    const outcomes = (await execute(`
      const made = new Date();
      console.log(JSON.stringify([made.getTime(), Date.now(), Date.parse(Date()), new Date(5).getTime(),
        made instanceof Date, performance.timeOrigin + performance.now(), Date.UTC(1970, 0)]));`)) as unknown[];
    const yesterday = Date.now() - 86_400_000;
    for (const time of outcomes.slice(0, 3)) expect(Math.abs(Number(time) - yesterday)).toBeLessThan(60_000);
    expect(outcomes.slice(3, 5)).toEqual([5, true]);
    expect(Math.abs(Number(outcomes[5]) - Date.now())).toBeLessThan(60_000);
    expect(outcomes[6]).toBe(0);
  });
});

it('a service takes orders in each of its threads while it runs, and none after they are lifted', async () => {
  const service = await startService({
    preload: control.start.preload,
    env: { ...control.start.env, LOGFORGE_SERVER_THREADS: '2', LOGFORGE_AGGREGATION_INTERVAL: '100ms' },
  });
  const client = createClient(service.port);
  const post = async (second: number) => {
    const record = { timestamp: `2015-05-17T10:00:0${second}Z`, path: '/', userAgent: 'a' };
    return (await client.post(JSON.stringify([record]))).status;
  };
  try {
    // The threads of the aggregator begin with the first run.
    expect(await post(1)).toBe(202);
    await eventually(() => expect(control.threads()).toBeGreaterThanOrEqual(4));
    const summaries = await control.order({ operations: ['rename'], path: '/summary_10', fault: NO_SPACE });
    const journal = await control.order({ operations: ['sync'], path: '/journal-', fault: NO_SPACE });
    expect(await post(2)).toBe(503);
    expect(await journal.struck(1)).toBe(true);
    await journal.lift();
    const before = journal.strikes.length;
    expect(await post(3)).toBe(202);
    expect(await post(4)).toBe(202);
    expect(journal.strikes.length).toBe(before);
    expect(await summaries.struck(1)).toBe(true);
    await summaries.lift();
    await eventually(async () =>
      expect((await client.get('/analytics?hour=2015-05-17T10')).body).toContain('"totalRequests": 3'),
    );
    expect((await readRecords(service.dirs)).map(({ timestamp }) => timestamp)).toEqual(
      [1, 3, 4].map((second) => `2015-05-17T10:00:0${second}Z`),
    );
    expect(await service.stop()).toEqual({ code: 0, signal: null });
  } finally {
    client.close();
    await service.stop('SIGKILL');
    await removeDirs(service.dirs);
  }
});
