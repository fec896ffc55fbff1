import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type ForwarderProcess, numberedLine, RotatedLog, startForward } from '../support/forwarding.ts';
import { makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';

/** `LOGFORGE_FORWARD_ROUNDS=200` for the long run (make forward-faults). */
const ROUNDS = Number(process.env.LOGFORGE_FORWARD_ROUNDS ?? 6);
const LINES_A_STEP = 40;
const WAYS = ['rename', 'copy', 'compress'] as const;

let service: Service;
let forwarder: ForwarderProcess | undefined;
afterEach(async () => {
  await forwarder?.stop('SIGKILL');
  await service.stop('SIGKILL');
  await removeDirs(service.dirs);
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function storedNumbers(): Promise<number[]> {
  const records = await readRecords(service.dirs);
  return records.map(({ path }) => Number(String(path).slice(1))).sort((a, b) => a - b);
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('logforge forward', () => {
  it(`stores each line once over ${ROUNDS} rounds of rotation and kill -9 of either side`, {
    timeout: 60_000 + ROUNDS * 10_000,
  }, async () => {
    const dirs = await makeDirs();
    const folder = join(dirs.root, 'web');
    mkdirSync(folder);
    service = await startService({ dirs });
    const args = ['--checkpoint', join(dirs.root, 'checkpoint'), service.url, join(folder, 'access.log*')];
    const log = new RotatedLog(folder);
    log.write(LINES_A_STEP);
    forwarder = await startForward(args, { cwd: dirs.root });
    for (let round = 0; round < ROUNDS; round++) {
      for (let step = 0; step < 10; step++) {
        log.write(LINES_A_STEP);
        await pause(10);
      }
      await log.rotate(WAYS[round % WAYS.length] ?? 'rename');
      log.write(LINES_A_STEP);
      if (round % 2 === 0) {
        await forwarder.stop('SIGKILL');
        log.write(LINES_A_STEP);
        forwarder = await startForward(args, { cwd: dirs.root });
      } else {
        const { port } = service;
        await service.stop('SIGKILL');
        log.write(LINES_A_STEP);
        service = await startService({ dirs, args: ['--addr', `127.0.0.1:${port}`] });
      }
    }
    await eventually(async () => {
      const stored = new Set(await storedNumbers());
      const missing = upTo(log.written).filter((number) => !stored.has(number));
      expect({ missing, stderr: missing.length === 0 ? '' : forwarder?.stderr() }).toEqual({ missing: [], stderr: '' });
    });
    expect(await forwarder.stop()).toBe(0);
    expect(await storedNumbers()).toEqual(upTo(log.written));
  });

  it('waits for a service that is away, and for the end of the last line', async () => {
    const dirs = await makeDirs();
    const log = join(dirs.root, 'access.log');
    writeFileSync(log, upTo(100).map(numberedLine).join(''));
    service = await startService({ dirs });
    const { port, url } = service;
    await service.stop();
    const args = ['--checkpoint', join(dirs.root, 'checkpoint'), url, log];
    forwarder = await startForward(args, { cwd: dirs.root });
    await eventually(async () => expect(forwarder?.stderr()).toContain('cannot reach'));
    appendFileSync(log, numberedLine(100).slice(0, 30));
    service = await startService({ dirs, args: ['--addr', `127.0.0.1:${port}`] });
    await eventually(async () => expect(await storedNumbers()).toEqual(upTo(100)));
    appendFileSync(log, numberedLine(100).slice(30));
    await eventually(async () => expect(await storedNumbers()).toEqual(upTo(101)));
    expect(await forwarder.stop()).toBe(0);
  });

  it('puts aside what cannot be read, and refuses a second run on its checkpoint', async () => {
    const dirs = await makeDirs();
    const log = join(dirs.root, 'access.log');
    writeFileSync(log, `${numberedLine(0)}junk\n${numberedLine(1)}`);
    service = await startService({ dirs });
    const args = ['--checkpoint', join(dirs.root, 'checkpoint'), service.url, log];
    forwarder = await startForward(args, { cwd: dirs.root });
    await expect(startForward(args, { cwd: dirs.root })).rejects.toThrow('checkpoint');
    await eventually(async () => expect(await storedNumbers()).toEqual([0, 1]));
    expect(await forwarder.stop()).toBe(0);
  });
});

describe('an input of type file', () => {
  it('stores each line once through rotation and kill -9 of the service', async () => {
    const dirs = await makeDirs();
    const folder = join(dirs.root, 'web');
    mkdirSync(folder);
    const config = join(dirs.root, 'config.yaml');
    writeFileSync(
      config,
      `inputs:\n  - {name: web, type: file, stream: access, format: auto, paths: ["${join(folder, 'access.log*')}"]}\n`,
    );
    const log = new RotatedLog(folder);
    log.write(LINES_A_STEP);
    service = await startService({ dirs, args: ['--config', config] });
    for (const way of WAYS) {
      for (let step = 0; step < 10; step++) {
        log.write(LINES_A_STEP);
        await pause(10);
      }
      await log.rotate(way);
      log.write(LINES_A_STEP);
      await service.stop('SIGKILL');
      log.write(LINES_A_STEP);
      service = await startService({ dirs, args: ['--config', config] });
    }
    await eventually(async () => expect((await storedNumbers()).length).toBeGreaterThanOrEqual(log.written));
    expect((await service.stop()).code).toBe(0);
    expect(await storedNumbers()).toEqual(upTo(log.written));
  });
});
