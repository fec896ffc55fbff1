import { statSync } from 'node:fs';
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestLog } from '../../../test/support/queues.ts';
import { createRandom } from '../../../test/support/random.ts';
import { diskFileSystem, type FileSystem } from '../../disk/file-system.ts';
import { createMetrics } from '../../metrics/metrics.ts';
import { UnavailableError } from '../../model/deliver.ts';
import { createCollector, until, whileConsuming } from '../collect.case.ts';
import { batchOf } from '../queue-contract.case.ts';
import { openSpool, type Spool, type SpoolOptions } from './spool.ts';
import { encodeHead } from './spool-head.ts';

let dir: string;
const opened: Spool[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'logforge-spool-'));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((spool) => spool.close()));
  await rm(dir, { recursive: true, force: true });
});

async function open(options: Partial<SpoolOptions> = {}) {
  const metrics = createMetrics({ defaultMetrics: false });
  const log = createTestLog();
  const spool = await openSpool({ dir, maxBytes: 1_000_000, metrics, log, ...options });
  opened.push(spool);
  return Object.assign(spool, { metrics, log });
}

const put = (spool: Spool, index: number, size = 1) =>
  spool.enqueue(batchOf([1, `{"n":${index},"x":"${'y'.repeat(size)}"}`]), { batchIds: [`p:${index}`] });

async function drained(spool: Spool, count: number): Promise<string[]> {
  const collector = createCollector();
  await whileConsuming(spool, collector, () =>
    until(() => collector.ids().length >= count, `${count} batches`, 10_000),
  );
  return collector.ids();
}

const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `p:${from + index}`);
const segments = async () => (await readdir(join(dir, 'spool'))).filter((name) => name.endsWith('.spool')).sort();

describe('the disk spool', () => {
  it('acknowledges many with one sync', async () => {
    let syncs = 0;
    const files = watchedDisk({ sync: () => void syncs++ });
    const spool = await open({ files });
    await put(spool, 0);
    await Promise.all(ids(1, 100).map((_, index) => put(spool, index + 1)));
    expect(syncs).toBeLessThan(10);
    expect(await drained(spool, 100)).toEqual(ids(0, 100));
  });

  it('delivers everything, in order, after a restart and over several segments', async () => {
    const first = await open({ maxBytes: 80_000 });
    for (let index = 0; index < 60; index++) await put(first, index, 1_000);
    expect((await segments()).length).toBeGreaterThan(4);
    await first.close();
    const second = await open({ maxBytes: 80_000 });
    expect(second.waiting()).toBe(60);
    expect(await drained(second, 60)).toEqual(ids(0, 60));
    expect(second.waiting()).toBe(0);
    expect(await segments()).toEqual([]);
    expect(second.bytes()).toBe(0);
  });

  it('is full at its limit, and takes batches again when it was drained', async () => {
    const spool = await open({ maxBytes: 20_000 });
    const results = await Promise.allSettled(ids(0, 40).map((_, index) => put(spool, index, 1_000)));
    const taken = results.flatMap((result, index) => (result.status === 'fulfilled' ? [`p:${index}`] : []));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(taken.length).toBeGreaterThan(10);
    expect(refused.length).toBeGreaterThan(10);
    expect(refused.every(({ reason }) => reason instanceof UnavailableError)).toBe(true);
    expect(spool.bytes()).toBeLessThanOrEqual(20_000);
    expect(await drained(spool, taken.length)).toEqual(taken);
    await put(spool, 50, 1_000);
    expect(await drained(spool, 1)).toEqual(['p:50']);
  });

  it('continues after what it delivered, and delivers nothing twice after an orderly stop', async () => {
    const first = await open();
    for (let index = 0; index < 10; index++) await put(first, index);
    expect(await drained(first, 10)).toEqual(ids(0, 10));
    for (let index = 10; index < 15; index++) await put(first, index);
    await first.close();
    const second = await open();
    expect(await drained(second, 5)).toEqual(ids(10, 15));
  });

  it('keeps everything acknowledged when the process dies at any byte of what is written next', async () => {
    const spool = await open();
    for (let index = 0; index < 3; index++) await put(spool, index, 10);
    const [name = ''] = await segments();
    const file = join(dir, 'spool', name);
    const before = (await stat(file)).size;
    await put(spool, 3, 10);
    const after = (await stat(file)).size;
    await spool.close();
    const copy = join(dir, 'copy');
    for (let size = before; size <= after; size++) {
      await rm(copy, { recursive: true, force: true });
      await mkdir(join(copy, 'spool'), { recursive: true });
      await copyFile(file, join(copy, 'spool', name));
      await truncate(join(copy, 'spool', name), size);
      const again = await open({ dir: copy });
      const count = size === after ? 4 : 3;
      expect([size, again.waiting()]).toEqual([size, count]);
      await put(again, 4);
      expect(await drained(again, count + 1)).toEqual([...ids(0, count), 'p:4']);
      await again.close();
    }
  });

  it('cuts off rubbish after the last whole batch', async () => {
    const spool = await open();
    await put(spool, 0);
    await spool.close();
    const [name = ''] = await segments();
    const file = join(dir, 'spool', name);
    for (const rubbish of [Buffer.alloc(64), Buffer.alloc(64, 0xff), (await readFile(file)).subarray(0, 40)]) {
      const copy = await mkdtemp(join(dir, 'copy-'));
      await cp(join(dir, 'spool'), join(copy, 'spool'), { recursive: true });
      await writeFile(join(copy, 'spool', name), rubbish, { flag: 'a' });
      const again = await open({ dir: copy });
      expect(again.waiting()).toBe(1);
      expect(await drained(again, 1)).toEqual(['p:0']);
    }
  });

  /** A spool of these batches, kept in `saved`, that a process left when it was killed. */
  async function killed(sizes: readonly number[]): Promise<string[]> {
    const spool = await open({ maxBytes: 80_000 });
    for (const [index, size] of sizes.entries()) await put(spool, index, size);
    await cp(join(dir, 'spool'), join(dir, 'saved'), { recursive: true });
    await spool.close();
    return segments();
  }

  /** Opens the spool that was killed, with one of its segments changed. */
  async function reopen(name: string, change: (bytes: Buffer) => void) {
    for (const folder of ['spool', 'damaged']) await rm(join(dir, folder), { recursive: true, force: true });
    await cp(join(dir, 'saved'), join(dir, 'spool'), { recursive: true });
    const bytes = await readFile(join(dir, 'spool', name));
    change(bytes);
    await writeFile(join(dir, 'spool', name), bytes);
    return open({ maxBytes: 80_000 });
  }

  const errorsOf = (spool: { readonly log: { readonly entries: string[] } }) =>
    spool.log.entries.filter((entry) => entry.startsWith('error '));

  it('delivers every batch once in spite of a flipped bit anywhere, and logs an error', async () => {
    const random = createRandom(9);
    const names = await killed(Array.from({ length: 30 }, (_, index) => (index % 3) * 400));
    expect(names.length).toBeGreaterThan(1);
    const lengths = new Map(names.map((name) => [name, statSync(join(dir, 'saved', name)).size]));
    for (let trial = 0; trial < 200; trial++) {
      const name = random.pick(names);
      const position = trial < 60 ? trial : random.int(0, (lengths.get(name) ?? 1) - 1);
      const bit = random.int(0, 7);
      const spool = await reopen(name, (bytes) => {
        bytes[position] = (bytes[position] ?? 0) ^ (1 << bit);
      });
      const about = `bit ${bit} of byte ${position} of ${name}`;
      expect([about, spool.waiting()]).toEqual([about, 30]);
      expect([about, await drained(spool, 30)]).toEqual([about, ids(0, 30)]);
      expect([about, errorsOf(spool)]).toEqual([
        about,
        ['error an entry of the spool was damaged and could be corrected; nothing is lost'],
      ]);
      await spool.close();
    }
  });

  it('delivers the batches after a piece that cannot be read, keeps the piece and counts it', async () => {
    const names = await killed(Array(30).fill(1_000));
    for (const [name, lost] of [
      [names[0] ?? '', [2]],
      [names.at(-1) ?? '', [Number(names.at(-1)?.slice(0, 16)) + 1]],
    ] as const) {
      const at = (lost[0] - Number(name.slice(0, 16))) * 1_080 + 300;
      const spool = await reopen(name, (bytes) => bytes.fill(7, at, at + 400));
      const rest = ids(0, 30).filter((_, index) => index !== lost[0]);
      expect(await drained(spool, rest.length)).toEqual(rest);
      expect(errorsOf(spool)).toEqual(['error an entry of the spool is damaged; its batch is lost']);
      const { values } = await spool.metrics.storageDamage.get();
      expect(values.find(({ labels }) => labels.kind === 'spool')?.value).toBe(1);
      const kept = (await readdir(join(dir, 'damaged'))).find((file) => file.startsWith(name)) ?? '';
      expect((await readFile(join(dir, 'damaged', kept))).includes(Buffer.alloc(400, 7))).toBe(true);
      await put(spool, 99);
      expect(await drained(spool, 1)).toEqual(['p:99']);
      await spool.close();
    }
  });

  it('delivers a batch after rubbish with zeros in it that stands where no batch is missing', async () => {
    const first = await open();
    await put(first, 0);
    const [name = ''] = await segments();
    const { size } = await stat(join(dir, 'spool', name));
    await put(first, 1);
    const bytes = await readFile(join(dir, 'spool', name));
    await first.close();
    const rubbish = Buffer.concat([Buffer.alloc(100, 7), Buffer.alloc(2_048), Buffer.alloc(100, 7)]);
    await writeFile(join(dir, 'spool', name), Buffer.concat([bytes.subarray(0, size), rubbish, bytes.subarray(size)]));
    expect(await drained(await open(), 2)).toEqual(ids(0, 2));
  });

  it('logs which batches are lost where a segment ends too early, and continues with the next', async () => {
    const [first = '', second = ''] = await killed(Array(30).fill(1_000));
    await (await reopen(first, () => undefined)).close();
    await truncate(join(dir, 'spool', first), 100);
    const spool = await open({ maxBytes: 80_000 });
    const from = Number(second.slice(0, 16));
    expect(await drained(spool, 30 - from)).toEqual(ids(from, 30));
    expect(errorsOf(spool)).toContain('error the spool is damaged; batches are lost');
  });

  it('refuses what a full disk does not take, keeps the rest, and continues when there is room', async () => {
    let full = false;
    const files = watchedDisk({
      write: () => {
        if (full) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      },
    });
    const spool = await open({ files });
    await put(spool, 0);
    full = true;
    await expect(put(spool, 1)).rejects.toThrow(/no space left/);
    full = false;
    await put(spool, 2);
    await spool.close();
    expect(await drained(await open(), 2)).toEqual(['p:0', 'p:2']);
  });

  it('does not deliver what was refused because its sync failed', async () => {
    let failing = false;
    const files = watchedDisk({
      sync: () => {
        if (failing) throw new Error('EIO: i/o error');
      },
      truncate: () => {
        if (failing) throw new Error('EIO: i/o error');
      },
    });
    const spool = await open({ files });
    await put(spool, 0);
    failing = true;
    await expect(put(spool, 1)).rejects.toThrow(UnavailableError);
    failing = false;
    await put(spool, 2);
    await put(spool, 3);
    await spool.close();
    expect(await drained(await open(), 3)).toEqual(['p:0', 'p:2', 'p:3']);
  });

  it('shows how much waits in it, and how old it is', async () => {
    let now = 1_000_000;
    const spool = await open({ clock: () => now });
    const read = async () => {
      const { spoolBatches, spoolBytes, spoolAge } = spool.metrics;
      const gauges = await Promise.all([spoolBatches.get(), spoolBytes.get(), spoolAge.get()]);
      return gauges.map(({ values }) => values[0]?.value);
    };
    expect(await read()).toEqual([0, 0, 0]);
    await put(spool, 0);
    now += 5_000;
    await put(spool, 1);
    spool.show();
    expect(await read()).toEqual([2, spool.bytes(), 5]);
    await drained(spool, 2);
    expect(await read()).toEqual([0, 0, 0]);
  });

  it('sends batches again when the head is a number that was never saved', async () => {
    const first = await open();
    await put(first, 0);
    await put(first, 1);
    await first.close();
    await writeFile(join(dir, 'spool/head'), '26\n');
    expect(await drained(await open(), 2)).toEqual(ids(0, 2));
  });

  it('begins with a head that is synced: a number that was on the disk before must not pass over new batches', async () => {
    await mkdir(join(dir, 'spool'));
    await writeFile(join(dir, 'spool/head'), 'not a number\n');
    const synced: string[] = [];
    const paths = new Map<number, string>();
    const files: FileSystem = {
      ...diskFileSystem,
      async open(path) {
        const fd = await diskFileSystem.open(path);
        paths.set(fd, path);
        return fd;
      },
      async sync(fd) {
        synced.push(paths.get(fd) ?? '');
        await diskFileSystem.sync(fd);
      },
    };
    await open({ files });
    expect(synced).toEqual([join(dir, 'spool/head')]);
    expect(await readFile(join(dir, 'spool/head'), 'utf8')).toBe(encodeHead(0));
  });

  it('has the form on disk that earlier versions read, and reads theirs, which has no place in a write', async () => {
    const spool = await open({ clock: () => 1_234 });
    await put(spool, 0);
    await spool.enqueue(batchOf([1, 'a'], [2, 'b', 'c']), {
      batchIds: ['p:1'],
      idempotency: { key: 'k', bodyHash: 'h', answer: '{}', time: 5 },
    });
    await spool.close();
    const entry = (sequence: bigint, json: string, data: string): Buffer => {
      const body = Buffer.concat([Buffer.alloc(4), Buffer.from(json + data)]);
      body.writeUInt32LE(json.length);
      const place = Buffer.alloc(8);
      place.writeBigUInt64LE(sequence);
      const head = Buffer.alloc(8);
      head.writeUInt32LE(body.length);
      head.writeUInt32LE(crc32(Buffer.concat([place, body])), 4);
      return Buffer.concat([head, body]);
    };
    const segment = (after: string): Buffer =>
      Buffer.concat([
        entry(0n, `{"id":"p:0","time":1234,"chunks":[[1,1,16]]${after}}`, '{"n":0,"x":"y"}\n'),
        entry(
          1n,
          `{"id":"p:1","time":1234,"chunks":[[1,1,2],[2,2,4]],"idempotency":{"key":"k","bodyHash":"h","answer":"{}","time":5}${after}}`,
          'a\nb\nc\n',
        ),
      ]);
    const path = join(dir, 'spool/0000000000000000.spool');
    expect(await readFile(path)).toEqual(segment(',"after":"000000"'));
    expect(await readFile(join(dir, 'spool/head'), 'utf8')).toBe(encodeHead(0));
    await writeFile(path, segment(''));
    expect(await drained(await open(), 2)).toEqual(ids(0, 2));
  });

  it.each([
    ['is lost', () => rm(join(dir, 'spool/head'))],
    ['is half written', () => writeFile(join(dir, 'spool/head'), '1')],
    ['is from before', () => writeFile(join(dir, 'spool/head'), '2\n')],
  ])('delivers from the first segment there is when its head file %s', async (_, damage) => {
    const first = await open({ maxBytes: 8_000 });
    for (let index = 0; index < 6; index++) await put(first, index, 1_000);
    expect(await segments()).toEqual([0, 1, 2, 3, 4, 5].map((n) => `${String(n).padStart(16, '0')}.spool`));
    await first.close();
    for (const name of (await segments()).slice(0, 4)) await rm(join(dir, 'spool', name));
    await damage();
    const second = await open({ maxBytes: 8_000 });
    expect(second.waiting()).toBe(2);
    expect(await drained(second, 2)).toEqual(ids(4, 6));
  });

  it('counts on from its head file when all was delivered', async () => {
    const first = await open();
    for (let index = 0; index < 3; index++) await put(first, index);
    expect(await drained(first, 3)).toEqual(ids(0, 3));
    await first.close();
    expect(await segments()).toEqual([]);
    const second = await open();
    expect([second.waiting(), second.end()]).toEqual([0, 3n]);
  });

  it('takes batches while it is drained', async () => {
    const spool = await open();
    const collector = createCollector();
    await whileConsuming(spool, collector, async () => {
      for (let index = 0; index < 200; index++) await put(spool, index);
      await until(() => collector.ids().length >= 200, 'all come');
    });
    expect(collector.ids()).toEqual(ids(0, 200));
  });
});

/** The real disk, with a hook before each operation that a test watches or makes fail. */
function watchedDisk(hooks: { write?: () => void; sync?: () => void; truncate?: () => void }): FileSystem {
  return {
    ...diskFileSystem,
    write: async (...args) => {
      hooks.write?.();
      return diskFileSystem.write(...args);
    },
    sync: async (fd) => {
      hooks.sync?.();
      await diskFileSystem.sync(fd);
    },
    truncate: async (...args) => {
      hooks.truncate?.();
      await diskFileSystem.truncate(...args);
    },
  };
}
