import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createFaultyDisk } from '../disk/faulty-disk.case.ts';
import type { FileSystem } from '../disk/file-system.ts';
import type { CommitNote } from '../model/deliver.ts';
import type { Compression } from './hour-forms.ts';
import { encodeFrames, FILE_START } from './hour-frames.ts';
import { batchOf, HOURS, hour, lines, useRepo } from './two-streams.case.ts';

/* What a repo promises of its starts, whatever the form of its hours. */

export function startSuite(compression: Compression): void {
  const { dir, logged, open, read, readAll, hourFile } = useRepo(compression);
  const isPlain = compression === 'none';

  describe('start', () => {
    it('cuts files off at their committed length, and reports those that are shorter', async () => {
      const first = await open();
      await first.append(batchOf('a'));
      await first.append(batchOf('b'));
      await first.close();
      fs.appendFileSync(hourFile(HOURS[0] ?? ''), 'torn');
      fs.truncateSync(hourFile(HOURS[1] ?? ''), 3);
      fs.rmSync(hourFile(HOURS[2] ?? ''));
      const second = await open();
      if (isPlain) expect(logged()).toContain('info cut off bytes that were not committed');
      const shorter = isPlain ? 'error a data file is shorter' : 'error a compressed hour has less than was committed';
      expect(logged().filter((line) => line.startsWith(shorter))).toHaveLength(2);
      await second.append(batchOf('c'));
      // The 3 bytes are a line and a half, or a part of the first trailer.
      expect(await readAll()).toEqual([['a', 'b', 'c'], isPlain ? ['a', 'b', 'c'] : ['c'], ['c']]);
      await second.close();
    });

    it('takes files that no journal knows as they are, with a whole end', async () => {
      fs.mkdirSync(join(dir(), 'logs', '2025-11-22'), { recursive: true });
      const { buffers } = await encodeFrames([{ lines: lines('old'), records: 1 }], 0);
      const old = isPlain ? [Buffer.from('old')] : [FILE_START, ...buffers, Buffer.from('torn')];
      fs.writeFileSync(hourFile(HOURS[0] ?? ''), Buffer.concat(old));
      const repo = await open();
      await repo.append(batchOf('a'));
      expect(await read(HOURS[0] ?? '')).toEqual(['old', 'a']);
      await repo.close();
    });

    it.each([
      ['cut off', (path: string, at: number) => fs.truncateSync(path, at)],
      ['nothing but zeros', (path: string, at: number) => fs.writeFileSync(path, fs.readFileSync(path).fill(0, at))],
    ])('survives a journal %s from any byte on', async (_, damage) => {
      const repo = await open();
      for (const id of ['a', 'b', 'c']) await repo.append(batchOf(id));
      const saved = join(dir(), 'saved');
      fs.cpSync(join(dir(), 'state'), saved, { recursive: true });
      fs.cpSync(join(dir(), 'logs'), join(dir(), 'logs-saved'), { recursive: true });
      await repo.close();
      const journal = fs.readdirSync(saved).find((name) => name.startsWith('journal-')) ?? '';
      // Zeros follow, written ahead.
      const length = fs.readFileSync(join(saved, journal)).toString('latin1').replace(/\0+$/, '').length;
      // The journal is the same for both forms but for its notes of files.
      for (let at = 0; at <= length; at += isPlain ? 7 : 29) {
        for (const [from, to] of [
          [saved, join(dir(), 'state')],
          [join(dir(), 'logs-saved'), join(dir(), 'logs')],
        ] as const) {
          fs.rmSync(to, { recursive: true, force: true });
          fs.cpSync(from, to, { recursive: true });
        }
        damage(join(dir(), 'state', journal), at);
        const again = await open();
        await again.append(batchOf('z'));
        const contents = await readAll();
        expect(contents[1]).toEqual(contents[0]);
        expect(contents[2]).toEqual(contents[0]);
        expect(['z', 'az', 'abz', 'abcz']).toContain(contents[0]?.join(''));
        await again.close();
      }
    });

    it('remembers idempotency keys, offsets, positions and batch-ids, also after rotations of the journal', async () => {
      const clock = { now: 1_000_000 };
      const options = { clock: () => clock.now, segmentBytes: 2_000, idempotency: { windowMs: 1000, maxKeys: 5 } };
      const noteOf = (i: number): CommitNote => ({
        idempotency: { key: `k${i}`, bodyHash: 'h', answer: `{"accepted":${i}}`, time: clock.now },
        offsets: [{ topic: 'logs', partition: i % 2, next: String(i) }],
        positions: [{ source: `file:${i % 3}`, next: String(i) }],
        batchIds: [`p:${i}`],
      });
      const first = await open(options);
      for (let i = 0; i < 40; i++) await first.append(batchOf(`r${i}`), noteOf(i));
      await first.close();
      const second = await open(options);
      expect(second.idempotency.size()).toBe(5);
      expect(second.idempotency.find({ key: 'k34', bodyHash: 'h' })).toBeUndefined();
      expect(second.idempotency.find({ key: 'k35', bodyHash: 'h' })?.answer).toBe('{"accepted":35}');
      expect(second.offsets().map((offset) => offset.next)).toEqual(['38', '39']);
      expect([0, 1, 2, 3].map((i) => second.position(`file:${i}`))).toEqual(['39', '37', '38', undefined]);
      expect(second.hasBatchId('p:0')).toBe(true);
      expect(second.hasBatchId('p:40')).toBe(false);
      clock.now += 1001;
      expect(second.idempotency.find({ key: 'k39', bodyHash: 'h' })).toBeUndefined();
      await second.append(batchOf('x'), noteOf(40));
      await second.close();
      const third = await open(options);
      expect([third.idempotency.size(), third.idempotency.oldest()]).toEqual([1, clock.now]);
      await third.close();
      expect(fs.readdirSync(join(dir(), 'state')).filter((name) => name.startsWith('journal-'))).toHaveLength(1);
    });
  });

  describe('hours for the aggregator', () => {
    it('are those that are longer than the aggregator’s cursor, also after a restart', async () => {
      const repo = await open();
      await repo.append(batchOf('a'));
      const changed = repo.changedHours();
      expect(changed.map((one) => one.bytes)).toEqual([2, 2, 2]);
      for (const one of changed.slice(0, 2)) repo.advanceSummaryCursor(one, one.bytes);
      expect(repo.changedHours().map((one) => one.path)).toEqual([hourFile('2024-02-29T23').replace(/\.zst$/, '')]);
      await repo.close();
      const again = await open();
      expect(again.changedHours()).toHaveLength(1);
      await again.append(batchOf('b'));
      expect(again.changedHours()).toHaveLength(3);
      again.advanceSummaryCursor(hour(HOURS[0] ?? ''), 2);
      expect(again.changedHours()).toHaveLength(3);
      expect(await again.committedHour(hour(HOURS[0] ?? ''))).toMatchObject({ bytes: 4 });
      expect(await again.committedHour(hour('2001-01-01T00'))).toBeUndefined();
      await again.close();
    });
  });

  /** A run of commits, small and large, over rotations of the journal; which of them were acknowledged. */
  async function work(files: FileSystem): Promise<Set<number>> {
    const acknowledged = new Set<number>();
    // Of a compressed hour, some lines wait and some are in frames.
    const waiting = { hourBytes: 8, allBytes: 1000, ms: 1e9 };
    const repo = await open({ files, segmentBytes: 500, maxOpenFiles: 2, syncEveryBytes: 1, waiting });
    try {
      for (let round = 0; round < 4; round++) {
        await Promise.allSettled(
          [0, 1, 2].map(async (i) => {
            const id = round * 3 + i;
            const padding = id === 4 ? 'x'.repeat(60_000) : '';
            const key = { key: `k${id}`, bodyHash: 'h', answer: '{}', time: Date.now() };
            await repo.append(batchOf(`${id}:`, padding), { idempotency: key });
            acknowledged.add(id);
          }),
        );
      }
    } finally {
      await repo.close().catch(() => undefined);
    }
    return acknowledged;
  }

  /** Checks what a start makes of the folders: acknowledged batches once, others whole or not at all. */
  async function check(acknowledged: ReadonlySet<number>): Promise<void> {
    const repo = await open();
    await repo.append(batchOf('99:'));
    const ids = (await readAll()).map((texts) => texts.map((line) => Number(line.split(':')[0])));
    expect(ids[1]).toEqual(ids[0]);
    expect(ids[2]).toEqual(ids[0]);
    expect(new Set(ids[0]).size).toBe(ids[0]?.length);
    for (const id of acknowledged) expect(ids[0]).toContain(id);
    for (const id of ids[0] ?? [])
      if (id !== 99) expect(repo.idempotency.find({ key: `k${id}`, bodyHash: 'h' })).toBeDefined();
    await repo.close();
  }

  describe('a crash', () => {
    for (const end of ['kill -9', 'power cut'] as const) {
      it(`by ${end} at any operation loses nothing that was acknowledged and stores nothing in part`, async () => {
        const whole = createFaultyDisk({ dieAt: 0 });
        expect((await work(whole.files)).size).toBe(12);
        await check(new Set(Array.from({ length: 12 }, (_, i) => i)));
        const step = (end === 'kill -9' ? 1 : 2) * (isPlain ? 1 : 5);
        for (let dieAt = 1; dieAt <= whole.operations() + step; dieAt += step) {
          for (const name of ['logs', 'dlq', 'state']) fs.rmSync(join(dir(), name), { recursive: true, force: true });
          const disk = createFaultyDisk({ dieAt });
          const acknowledged = await work(disk.files).catch(() => new Set<number>());
          if (end === 'power cut') disk.powerCut();
          await check(acknowledged);
        }
      });
    }
  });
}
