import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/storage.ts';
import { createFaultyDisk } from '../disk/faulty-disk.case.ts';
import { diskFileSystem, type FileSystem } from '../disk/file-system.ts';
import { DirectoryInUseError } from '../disk/lock.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { UnavailableError } from '../model/deliver.ts';
import type { Compression } from './hour-forms.ts';
import { FILE_START } from './hour-frames.ts';
import { batchOf, HOURS, hour, lines, useRepo } from './two-streams.case.ts';

/* What a repo promises of its appends, whatever the form of its hours. */

export function appendSuite(compression: Compression): void {
  const { dir, logged, open, read, readAll, hourFile } = useRepo(compression);
  const isPlain = compression === 'none';

  describe('append', () => {
    it('stores a batch over several hours, each in the file of its hour', async () => {
      const repo = await open();
      expect(await repo.append(batchOf('a'))).toEqual({ durability: 'disk' });
      for (const text of HOURS) expect(await read(text)).toEqual(['a']);
      await repo.close();
    });

    it('keeps the order of the calls when many share a commit', async () => {
      const repo = await open();
      const ids = Array.from({ length: 200 }, (_, i) => `r${i}`);
      await Promise.all(ids.map((id) => repo.append(batchOf(id))));
      for (const text of HOURS) expect(await read(text)).toEqual(ids);
      await repo.close();
    });

    it('continues after short writes', async () => {
      const repo = await open({ files: createFaultyDisk({ dieAt: 0, shortWrites: true }).files });
      await repo.append(batchOf('a', 'x'.repeat(1000)));
      await repo.append(batchOf('b'));
      for (const text of HOURS) expect(await read(text)).toEqual([`a${'x'.repeat(1000)}`, 'b']);
      await repo.close();
    });

    it('limits how many files are open', async () => {
      const metrics = createMetrics({ defaultMetrics: false });
      const repo = await open({ maxOpenFiles: 2, metrics });
      for (let i = 0; i < 5; i++) await repo.append(batchOf(`r${i}`));
      const { values } = await metrics.openFiles.get();
      expect(values[0]?.value).toBeLessThanOrEqual(2);
      for (const text of HOURS) expect(await read(text)).toEqual(['r0', 'r1', 'r2', 'r3', 'r4']);
      await repo.close();
    });

    it('stores dead letters in the same commit', async () => {
      const repo = await open();
      const time = Date.parse('2025-11-22T15:00:00Z');
      const letter = { time, stage: 'ingest', reason: 'record 1 missing path', source: 'r-1' } as const;
      await repo.append(batchOf('a'), {
        deadLetters: [
          { ...letter, raw: '{"a": 1.0}' },
          { ...letter, raw: 'junk"' },
        ],
      });
      await repo.close();
      expect(fs.readFileSync(join(dir(), 'dlq', '2025-11-22.ndjson'), 'utf8').split('\n')).toEqual([
        '{"time":"2025-11-22T15:00:00.000Z","stage":"ingest","reason":"record 1 missing path","record":{"a": 1.0},"source":"r-1"}',
        '{"time":"2025-11-22T15:00:00.000Z","stage":"ingest","reason":"record 1 missing path","raw":"junk\\"","source":"r-1"}',
        '',
      ]);
    });

    it('refuses a batch whose commit did not begin in time', async () => {
      const repo = await open({ maxWaitMs: -1 });
      await expect(repo.append(batchOf('a'))).rejects.toThrow(UnavailableError);
      expect(await read(HOURS[0] ?? '')).toEqual([]);
      await repo.close();
    });

    it('refuses batches after close, and stores those before it', async () => {
      const repo = await open();
      const before = repo.append(batchOf('a'));
      const closing = repo.close();
      await expect(repo.append(batchOf('b'))).rejects.toThrow('storage is closing');
      await before;
      await closing;
      expect(await read(HOURS[0] ?? '')).toEqual(['a']);
    });
  });

  describe('ownership', () => {
    it('allows one process at a time to own the folders', async () => {
      const repo = await open();
      await expect(open()).rejects.toThrow(DirectoryInUseError);
      await repo.close();
      await (await open()).close();
    });
  });

  describe('faults', () => {
    /** A disk on which the operations named fail while `broken` holds. */
    function breakable(fails: Partial<FileSystem>) {
      const state = { broken: false };
      const files: FileSystem = { ...diskFileSystem };
      for (const [name, operation] of Object.entries(fails)) {
        const real = Reflect.get(diskFileSystem, name) as (...args: unknown[]) => unknown;
        const broken = operation as (...args: unknown[]) => unknown;
        Reflect.set(files, name, (...args: unknown[]) => (state.broken ? broken(...args) : real(...args)));
      }
      return { state, files };
    }
    const full = (): Promise<never> =>
      Promise.reject(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }));
    const halfWrite: FileSystem['write'] = async (fd, buffers, position) => {
      const first = buffers[0] ?? Buffer.alloc(0);
      if (first.length > 4) await diskFileSystem.write(fd, [first.subarray(0, 4)], position);
      return full();
    };

    for (const padding of ['', 'x'.repeat(200_000)]) {
      const size = padding === '' ? 'small' : 'large';
      for (const [what, fails] of [
        ['the disk is full', { write: halfWrite }],
        ['a sync fails', { sync: full }],
        ['a write fails and the cut does too', { write: halfWrite, truncate: full }],
      ] as const) {
        it(`refuses a ${size} batch when ${what}, keeps what was stored, and stores again afterwards`, async () => {
          const { state, files } = breakable(fails);
          const repo = await open({ files });
          await repo.append(batchOf('a', padding));
          state.broken = true;
          await expect(repo.append(batchOf('b', padding))).rejects.toThrow(UnavailableError);
          await expect(repo.append(batchOf('c', padding))).rejects.toThrow('ENOSPC');
          await expect(repo.checkWritable()).rejects.toThrow('ENOSPC');
          state.broken = false;
          await repo.checkWritable();
          // Also in an hour that gets no more records.
          for (const text of HOURS) expect(await read(text)).toEqual([`a${padding}`]);
          await repo.append(batchOf('d', padding));
          for (const text of HOURS) expect(await read(text)).toEqual([`a${padding}`, `d${padding}`]);
          await repo.close();
          await (await open()).close();
          for (const text of HOURS) expect(await read(text)).toEqual([`a${padding}`, `d${padding}`]);
        });
      }
    }

    /** A disk on which the hour files cannot be synced while `broken` holds. */
    function unsyncable() {
      const state = { broken: false };
      const paths = new Map<number, string>();
      const files: FileSystem = {
        ...diskFileSystem,
        async open(path) {
          const fd = await diskFileSystem.open(path);
          paths.set(fd, path);
          return fd;
        },
        sync: (fd) => (state.broken && paths.get(fd)?.includes('/logs/') === true ? full() : diskFileSystem.sync(fd)),
      };
      return { state, files };
    }

    it.each([
      ['the next commit', ['a', 'b', 'c']],
      ['the close', ['a', 'b']],
    ])('%s writes bytes again, from the journal, that could not be synced in the background', async (by, stored) => {
      const { state, files } = unsyncable();
      const repo = await open({ files, syncEveryBytes: 1, waiting: { hourBytes: 1, allBytes: 1, ms: 1e9 } });
      await repo.append(batchOf('a'));
      state.broken = true;
      await repo.append(batchOf('b'));
      await eventually(() => expect(logged().join()).toContain('error cannot sync files in the background'));
      // The kernel drops pages that it could not write.
      for (const text of HOURS) {
        const content = fs.readFileSync(hourFile(text));
        fs.writeFileSync(hourFile(text), content.fill(0, isPlain ? 2 : FILE_START.length));
      }
      state.broken = false;
      if (by === 'the next commit') await repo.append(batchOf('c'));
      else await repo.close();
      for (const text of HOURS) expect(await read(text)).toEqual(stored);
      await repo.close();
    });

    it('stores the other hours when one cannot be written', async () => {
      const repo = await open();
      fs.mkdirSync(hourFile('2025-01-01T00'), { recursive: true });
      const bad = repo.append([{ ...hour('2025-01-01T00'), count: 1, lines: lines('bad') }]);
      const good = repo.append(batchOf('good'));
      await expect(bad).rejects.toThrow(UnavailableError);
      await good;
      for (const text of HOURS) expect(await read(text)).toEqual(['good']);
      await repo.close();
    });

    it('begins a file from scratch when it was deleted under it, and keeps serving', async () => {
      const repo = await open();
      await repo.append(batchOf('a'));
      fs.rmSync(join(dir(), 'logs', '2025-11-22'), { recursive: true });
      await repo.append(batchOf('b'));
      // A line that waited to become a frame was not in the file.
      expect(await readAll()).toEqual([isPlain ? ['b'] : ['a', 'b'], ['a', 'b'], ['a', 'b']]);
      expect(logged()).toContain('error another program changed a data file; it is taken as it is');
      await repo.close();
    });
  });
}
