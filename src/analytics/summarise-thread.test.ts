import { afterEach, describe, expect, it } from 'vitest';
import type { CommittedHour } from '../repo/repo.ts';
import { createSummariserThread, type SummariserThread } from './summarise-thread.ts';

/** A thread that dies of hour 13, throws for hour 14, never answers for 15, and otherwise reports its own life in `records`. */
const ENTRY = new URL(
  `data:text/javascript,${encodeURIComponent(`
  import { parentPort } from 'node:worker_threads';
  let answered = 0;
  parentPort.on('message', ({ call, argument: { committed, rebuild } }) => {
    if (committed.hour === 13) throw new Error('out of luck');
    if (committed.hour === 14) return parentPort.postMessage({ reply: call, failure: 'cannot read' });
    if (committed.hour === 15) return;
    const report = { outcome: 'written', records: ++answered, bytes: rebuild ? 1 : 0, skippedLines: 0, warnings: [] };
    parentPort.postMessage({ reply: call, result: report });
  });
`)}`,
);

const hour = (n: number): CommittedHour => ({ stream: 'access', hour: n, path: '/none', bytes: 1 });

let thread: SummariserThread;
afterEach(() => thread.stop());

const create = (): SummariserThread => {
  thread = createSummariserThread({ entry: ENTRY, workerData: undefined, settles: true });
  return thread;
};

describe('the summariser thread', () => {
  it('answers in the order of the calls', async () => {
    create();
    const reports = await Promise.all([1, 2, 3].map((n) => thread.summarise(hour(n))));
    expect(reports.map(({ records }) => records)).toEqual([1, 2, 3]);
  });

  it('passes on that an hour is to be rebuilt', async () => {
    expect((await create().summarise(hour(1), { rebuild: true })).bytes).toBe(1);
  });

  it('rejects for an hour that fails and lives on', async () => {
    create();
    await expect(thread.summarise(hour(14))).rejects.toThrow('cannot read');
    expect((await thread.summarise(hour(1))).records).toBe(1);
  });

  it('rejects what waits when the thread dies, and starts another one', async () => {
    create();
    expect((await thread.summarise(hour(1))).records).toBe(1);
    const waiting = [thread.summarise(hour(13)), thread.summarise(hour(2))];
    for (const result of await Promise.allSettled(waiting)) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { message: 'the aggregator thread died: out of luck' },
      });
    }
    expect((await thread.summarise(hour(3))).records).toBe(1);
  });

  it('stops while an hour is summarised, and begins no more', async () => {
    create();
    const stuck = thread.summarise(hour(15));
    await Promise.all([expect(stuck).rejects.toThrow('the aggregator thread is stopping'), thread.stop()]);
    await expect(thread.summarise(hour(1))).rejects.toThrow('the aggregator thread is stopping');
  });

  it('stops when it was never started', async () => {
    await create().stop();
  });
});
