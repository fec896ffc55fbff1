import { once } from 'node:events';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { InputFixture } from './fixture.case.ts';
import { setUp } from './flow.case.ts';

/** A new folder, with a short name because the path of a socket has at most 107 bytes. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lf-in-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A Unix socket on which nobody listens, as a killed process leaves it. */
export async function leaveSocket(path: string): Promise<void> {
  const server = createServer().listen(`${path}.of`);
  await once(server, 'listening');
  // At its close Node.js removes the path that it knows.
  renameSync(`${path}.of`, path);
  server.close();
  await once(server, 'close');
}

/** Places that are taken. */
export function describePlaces(fixture: InputFixture): void {
  // Several programs may read one pipe.
  if (fixture.kind === 'pipe') return;
  describe('a place', () => {
    it('is refused, with what to do, when another input has it; that one goes on', async () => {
      const first = await setUp(fixture);
      const where = await first.start();
      const second = await setUp(fixture, { where });
      await expect(second.start()).rejects.toThrow(/cannot listen on .*: another process listens there/);
      await expect(second.input.check()).rejects.toThrow();
      await (await first.connect()).send('first\n');
      await first.awaitLines(1);
    });

    it('is free again after the stop', async () => {
      const first = await setUp(fixture);
      const where = await first.start();
      await first.input.stop(1_000);
      const second = await setUp(fixture, { where });
      await second.start();
      await (await second.connect()).send('second\n');
      await second.awaitLines(1);
    });
  });
}

/** What may stand at a path. */
export function describePaths(fixture: InputFixture): void {
  describe('a path', () => {
    const startAt = async (where: string) => (await setUp(fixture, { where })).start();
    if (fixture.kind !== 'pipe') describeSocketPaths(fixture);

    it('is made for its owner alone, and removed at the stop', async () => {
      const where = join(makeFolder(), 'in');
      const { input, start } = await setUp(fixture, { where });
      await start();
      expect(lstatSync(where).mode & 0o777).toBe(0o600);
      await input.stop(1_000);
      expect(lstatSync(where, { throwIfNoEntry: false })).toBeUndefined();
    });

    it('is refused when it is a folder or a file, which stay', async () => {
      const folder = makeFolder();
      mkdirSync(join(folder, 'folder'));
      writeFileSync(join(folder, 'file'), 'kept');
      await expect(startAt(join(folder, 'folder'))).rejects.toThrow(/folder.*move it away/);
      await expect(startAt(join(folder, 'file'))).rejects.toThrow(/file.*move it away/);
      expect(lstatSync(join(folder, 'folder')).isDirectory()).toBe(true);
      expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('kept');
    });

    it('is refused when it is a symbolic link, wherever that leads', async () => {
      const folder = makeFolder();
      symlinkSync(join(folder, 'nothing'), join(folder, 'dangling'));
      await expect(startAt(join(folder, 'dangling'))).rejects.toThrow(/symbolic link.*move it away/);
      expect(lstatSync(join(folder, 'nothing'), { throwIfNoEntry: false })).toBeUndefined();
      await leaveSocket(join(folder, 'socket'));
      symlinkSync(join(folder, 'socket'), join(folder, 'link'));
      await expect(startAt(join(folder, 'link'))).rejects.toThrow(/symbolic link.*move it away/);
      expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true);
    });

    it('is refused when its folder does not exist', async () => {
      await expect(startAt(join(makeFolder(), 'none', 'in'))).rejects.toThrow(/folder does not exist/);
    });

    it.skipIf(process.getuid?.() !== 0)('is refused when another user has a socket or pipe there', async () => {
      const folder = makeFolder();
      const where = join(folder, 'in');
      const { start } = await setUp(fixture, { where });
      await start();
      const second = await setUp(fixture, { where });
      process.seteuid?.('nobody');
      try {
        await expect(second.start()).rejects.toThrow(where);
      } finally {
        process.seteuid?.(0);
      }
      expect(lstatSync(where, { throwIfNoEntry: false })).toBeDefined();
    });
  });
}

/** What holds for sockets, which a pipe has not. */
function describeSocketPaths(fixture: InputFixture): void {
  const startAt = async (where: string) => (await setUp(fixture, { where })).start();

  it('is taken over from a process that was killed', async () => {
    const where = join(makeFolder(), 'in');
    await leaveSocket(where);
    const { start, connect, awaitLines } = await setUp(fixture, { where });
    await start();
    await (await connect()).send('after\n');
    await awaitLines(1);
  });

  it('is refused when it is longer than a socket may have', async () => {
    await expect(startAt(join(makeFolder(), 'x'.repeat(120)))).rejects.toThrow(/107 bytes/);
  });
}
