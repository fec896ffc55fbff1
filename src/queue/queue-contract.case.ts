import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Batch, countRecords } from '../model/chunk.ts';
import type { DeadLetter, IdempotencyNote } from '../model/deliver.ts';
import { BatchTooLargeError, UnavailableError } from '../model/deliver.ts';
import { createCollector, until, whileConsuming } from './collect.case.ts';
import type { Queue } from './queue.ts';

/** One queue that outlives the processes that use it: each `open` is one of those. */
export interface QueueHarness {
  open(): Promise<Queue>;
  /** Bytes of a batch that is certain not to fit. */
  readonly tooLargeBytes: number;
  dispose(): Promise<void>;
}

export function batchOf(...hours: readonly (readonly [hour: number, ...lines: string[]])[]): Batch {
  return hours.map(([hour, ...lines]) => {
    return {
      stream: 'access',
      hour,
      count: lines.length,
      lines: Buffer.from(lines.map((line) => `${line}\n`).join('')),
    };
  });
}

export function textOf(batch: Batch): [number, number, string][] {
  return batch.map(({ hour, count, lines }) => [hour, count, lines.toString()]);
}

const NOTE: IdempotencyNote = {
  key: 'a,b;c=e?',
  bodyHash: 'abc',
  answer: '{"accepted":2}',
  time: 1_700_000_000_000,
};

/** What every queue must do. */
export function describeQueueContract(name: string, create: () => Promise<QueueHarness>): void {
  describe(name, () => {
    let harness: QueueHarness;
    const opened: Queue[] = [];
    const open = async (): Promise<Queue> => {
      const queue = await harness.open();
      opened.push(queue);
      return queue;
    };

    beforeEach(async () => {
      harness = await create();
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((queue) => queue.close()));
      await harness.dispose();
    });

    it('gives out a batch whole: its hours, its id, its key and its dead letters', async () => {
      const queue = await open();
      const batch = batchOf([10, '{"a":1}', '{"a":"é"}'], [-5, '{"b":1}'], [11, '{"c":1}']);
      const deadLetters: DeadLetter[] = [
        { time: 1, stage: 'ingest', reason: 'record 1 missing path', raw: '{"x":"\n"}', source: 'r-1' },
      ];
      const receipt = await queue.enqueue(batch, { batchIds: ['p:7'], idempotency: NOTE, deadLetters });
      expect(['broker', 'spool']).toContain(receipt.durability);

      const collector = createCollector();
      await whileConsuming(queue, collector, () => until(() => collector.items.length > 0, 'the batch comes'));
      expect(collector.items).toHaveLength(1);
      const [queued] = collector.batches();
      expect(queued).toMatchObject({ id: 'p:7', idempotency: NOTE, deadLetters });
      expect(textOf(queued?.batch ?? [])).toEqual(textOf(batch));
    });

    it('carries a key and dead letters that come without any line', async () => {
      const queue = await open();
      await queue.enqueue([], { batchIds: ['p:1'], idempotency: NOTE });
      const collector = createCollector();
      await whileConsuming(queue, collector, () => until(() => collector.items.length > 0, 'the batch comes'));
      expect(collector.batches()).toEqual([{ id: 'p:1', batch: [], idempotency: NOTE }]);
    });

    it('gives out each of many batches that are sent at once, whole and once', async () => {
      const queue = await open();
      const ids = Array.from({ length: 300 }, (_, index) => `p:${index}`);
      const batches = ids.map((id, index) => {
        return batchOf([1, `{"id":"${id}"}`], [2 + (index % 3), ...Array(1 + (index % 7)).fill(`{"of":"${id}"}`)]);
      });
      await Promise.all(
        ids.map((id, index) => {
          const idempotency = { ...NOTE, key: `key-${index}` };
          return queue.enqueue(batches[index] ?? [], { batchIds: [id], ...(index % 2 === 0 && { idempotency }) });
        }),
      );
      const collector = createCollector();
      await whileConsuming(queue, collector, () => until(() => collector.ids().length >= ids.length, 'all come'));
      expect(collector.ids().sort()).toEqual([...ids].sort());
      for (const { id, batch, idempotency } of collector.batches()) {
        const index = ids.indexOf(id);
        const sorted = [...batch].sort((a, b) => a.hour - b.hour);
        expect([id, textOf(sorted)]).toEqual([id, textOf(batches[index] ?? [])]);
        expect(idempotency?.key).toBe(index % 2 === 0 ? `key-${index}` : undefined);
      }
    });

    it('keeps the order in which batches of one key were acknowledged', async () => {
      const queue = await open();
      for (let index = 0; index < 20; index++) {
        const idempotency = { ...NOTE, key: 'the-same-partition' };
        await queue.enqueue(batchOf([1, `{"n":${index}}`]), { batchIds: [`p:${index}`], idempotency });
      }
      const collector = createCollector();
      await whileConsuming(queue, collector, () => until(() => collector.ids().length >= 20, 'all come'));
      expect(collector.ids()).toEqual(Array.from({ length: 20 }, (_, index) => `p:${index}`));
    });

    it('gives a batch of its own id to each that comes without one', async () => {
      const queue = await open();
      await Promise.all(Array.from({ length: 10 }, () => queue.enqueue(batchOf([1, '{}']))));
      const collector = createCollector();
      await whileConsuming(queue, collector, () => until(() => collector.ids().length >= 10, 'all come'));
      expect(new Set(collector.ids()).size).toBe(10);
    });

    it('brings a batch that is sent again to the partition of its first copy', async () => {
      const queue = await open();
      const ids = Array.from({ length: 8 }, (_, index) => `p:${index}`);
      for (const id of [...ids, ...ids]) await queue.enqueue(batchOf([1, `{"id":"${id}"}`]), { batchIds: [id] });
      const collector = createCollector();
      await whileConsuming(queue, collector, () => until(() => collector.ids().length >= 16, 'all come'));
      for (const id of ids) {
        const places = collector.items.filter(({ item }) => item.kind === 'batches' && item.batches[0]?.id === id);
        expect(new Set(places.map(({ partition }) => partition)).size).toBe(1);
      }
    });

    it('keeps a body of 16 MB whole', async () => {
      const queue = await open();
      const line = `{"x":"${'y'.repeat(180)}"}`;
      const batch = batchOf([1, ...Array(40_000).fill(line)], [2, ...Array(43_000).fill(line)]);
      await queue.enqueue(batch, { batchIds: ['p:0'] });
      const collector = createCollector();
      await whileConsuming(queue, collector, () => until(() => collector.items.length > 0, 'the batch comes'));
      const [queued] = collector.batches();
      expect(queued?.batch.map(({ hour, count }) => [hour, count])).toEqual(
        batch.map(({ hour, count }) => [hour, count]),
      );
      expect(queued?.batch.every(({ lines }, index) => lines.equals(batch[index]?.lines ?? Buffer.alloc(0)))).toBe(
        true,
      );
    });

    it('keeps a batch of 1500 hours whole', async () => {
      const queue = await open();
      const batch = Array.from({ length: 1500 }, (_, hour) => batchOf([hour, `{"hour":${hour}}`])).flat();
      await queue.enqueue(batch, { batchIds: ['p:0'] });
      const collector = createCollector();
      await whileConsuming(queue, collector, () => until(() => collector.items.length > 0, 'the batch comes'));
      expect(textOf(collector.batches()[0]?.batch ?? [])).toEqual(textOf(batch));
    });

    it('refuses a batch that can never fit, and takes the next', async () => {
      const queue = await open();
      const line = `{"x":"${'y'.repeat(10_000)}"}`;
      const large = batchOf([1, ...Array(Math.ceil(harness.tooLargeBytes / 10_000)).fill(line)]);
      const refusal = await queue.enqueue(large).catch((error: unknown) => error);
      expect(refusal instanceof BatchTooLargeError || refusal instanceof UnavailableError).toBe(true);
      await queue.enqueue(batchOf([1, '{}']), { batchIds: ['p:1'] });
      const collector = createCollector();
      await whileConsuming(queue, collector, () => until(() => collector.items.length > 0, 'the next comes'));
      expect(collector.ids()).toEqual(['p:1']);
    });

    it('goes on for the next process where the last had stored', async () => {
      const first = await open();
      for (let index = 0; index < 6; index++) await first.enqueue(batchOf([1, '{}']), { batchIds: [`p:${index}`] });
      const before = createCollector();
      await whileConsuming(first, before, () => until(() => before.ids().length >= 6, 'the first six come'));
      for (let index = 6; index < 10; index++) await first.enqueue(batchOf([1, '{}']), { batchIds: [`p:${index}`] });
      await first.close();

      const after = createCollector();
      const second = await open();
      await whileConsuming(second, after, () => until(() => after.ids().length >= 4, 'the last four come'));
      expect(after.ids().sort()).toEqual(['p:6', 'p:7', 'p:8', 'p:9']);
    });

    it('gives out again what was taken and not stored', async () => {
      const queue = await open();
      await queue.enqueue(batchOf([1, '{}']), { batchIds: ['p:0'] });
      const taken = Promise.withResolvers<void>();
      const never = createCollector({
        store: async (_, signal) => {
          taken.resolve();
          await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        },
      });
      await whileConsuming(queue, never, () => taken.promise);
      const collector = createCollector();
      await whileConsuming(queue, collector, () => until(() => collector.items.length > 0, 'it comes again'));
      expect(collector.ids()).toEqual(['p:0']);
    });

    it('lets the first assignment read from where it says', async () => {
      const queue = await open();
      const idempotency = { ...NOTE, key: 'one-partition' };
      for (let index = 0; index < 4; index++) {
        await queue.enqueue(batchOf([1, '{}']), { batchIds: [`p:${index}`], idempotency });
      }
      const all = createCollector();
      await whileConsuming(queue, all, () => until(() => all.ids().length >= 4, 'all come'));
      const third = all.items[2];
      const again = createCollector({
        begin: (state) => (state.partition === third?.partition ? third.item.offset : (state.committed ?? state.low)),
      });
      if (harness.tooLargeBytes > 0 && (await queue.lag()).every(({ messages }) => messages === 0)) {
        const canRewind = all.assigned.every(({ topic }) => topic !== 'spool');
        if (!canRewind) return; // What a spool has given out it no longer has.
      }
      await whileConsuming(queue, again, () => until(() => again.ids().length >= 2, 'the last two come'));
      expect(again.ids()).toEqual(['p:2', 'p:3']);
    });

    it('says how far it is read', async () => {
      const queue = await open();
      for (let index = 0; index < 5; index++) await queue.enqueue(batchOf([1, '{}']), { batchIds: [`p:${index}`] });
      const total = async () => (await queue.lag()).reduce((sum, { messages }) => sum + messages, 0);
      expect(await total()).toBe(5);
      const collector = createCollector();
      await whileConsuming(queue, collector, () => until(async () => (await total()) === 0, 'the lag is gone'));
      expect(collector.batches().reduce((sum, { batch }) => sum + countRecords(batch), 0)).toBe(5);
    });

    it('is ready, and refuses batches when it is closed', async () => {
      const queue = await open();
      await queue.check();
      await queue.close();
      await expect(queue.enqueue(batchOf([1, '{}']))).rejects.toThrow(UnavailableError);
    });
  });
}
