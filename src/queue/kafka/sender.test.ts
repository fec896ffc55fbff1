import { describe, expect, it } from 'vitest';
import { createTestLog } from '../../../test/support/queues.ts';
import { createMetrics } from '../../metrics/metrics.ts';
import { BatchTooLargeError, type Receipt, UnavailableError } from '../../model/deliver.ts';
import type { QueuedBatch } from '../queue.ts';
import { batchOf } from '../queue-contract.case.ts';
import type { Driver, OutRecord, Produced } from './driver.ts';
import { MAX_RECORDS_PER_SEND } from './message.ts';
import { partitionOf, Sender, type SenderOptions } from './sender.ts';

interface Send {
  readonly partition: number;
  readonly records: readonly OutRecord[];
  answer(produced?: Partial<Produced>): void;
  fail(error: Error): void;
}

/** A driver whose sends wait for the test to answer them. */
function pendingDriver(options: { readonly partitions?: number; readonly maxMessageBytes?: number } = {}) {
  const { partitions = 1, maxMessageBytes = 1_000_000 } = options;
  const sends: Send[] = [];
  const topics: number[] = [];
  let offset = 0n;
  const driver: Driver = {
    produce: (partition, records) => {
      const { promise, resolve, reject } = Promise.withResolvers<Produced>();
      const answer = (produced: Partial<Produced> = {}) => resolve({ partition, baseOffset: offset++, ...produced });
      sends.push({ partition, records, answer, fail: reject });
      return promise;
    },
    topic: async () => {
      topics.push(sends.length);
      return { partitions, maxMessageBytes };
    },
    ends: async () => [],
    consume: () => ({ stop: async () => undefined }),
    close: async () => undefined,
  };
  return { driver, sends, topics };
}

/** The topic's state, with a number of partitions that a test may change. */
function growingTopic(partitions: number) {
  const { driver, sends } = pendingDriver();
  const topic = { partitions, fails: false, asked: 0 };
  const growing: Driver = {
    ...driver,
    topic: async () => {
      topic.asked++;
      if (topic.fails) throw new Error('no broker');
      return { partitions: topic.partitions, maxMessageBytes: 1_000_000 };
    },
  };
  return { driver: growing, sends, topic };
}

function createSender(driver: Driver, options: Partial<SenderOptions> = {}) {
  const metrics = createMetrics({ defaultMetrics: false });
  const sender = new Sender({
    driver,
    topic: 'logs',
    metrics,
    log: createTestLog(),
    format: 'ndjson',
    targetBytes: 100_000,
    compressed: false,
    lingerMs: 0,
    maxWaitingBytes: 10_000_000,
    topicMaxAgeMs: 60_000,
    ...options,
  });
  /** Sends; the test looks later at what came of it. */
  const send = (batch: QueuedBatch): Promise<Receipt> => {
    const sent = sender.send(batch);
    sent.catch(() => undefined);
    return sent;
  };
  return { sender, send, metrics };
}

const one = (sequence: number, lines = ['{}']): QueuedBatch => ({ id: `p:${sequence}`, batch: batchOf([1, ...lines]) });
const idsOf = (send: Send | undefined) => send?.records.map(({ headers }) => headers['batch-id']).join(' ');

/** What each promise has come to so far. */
async function settled(promises: readonly Promise<Receipt>[]): Promise<string[]> {
  const pending = Symbol('pending');
  return Promise.all(
    promises.map((promise) =>
      Promise.race([promise, new Promise((resolve) => setImmediate(resolve, pending))]).then(
        (value) => (value === pending ? 'pending' : 'sent'),
        (error: Error) => error.constructor.name,
      ),
    ),
  );
}

const turn = () => new Promise(setImmediate);

describe('the sender', () => {
  it('has one send out at a time for a partition, and joins what comes meanwhile', async () => {
    const { driver, sends } = pendingDriver();
    const { send, metrics } = createSender(driver);
    const sent = [0, 1, 2, 3].map((sequence) => send(one(sequence)));
    await turn();
    sent.push(send(one(4)));
    await turn();
    expect(sends.map(idsOf)).toEqual(['p:0 p:1 p:2 p:3']);
    expect((await metrics.queueWaiting.get()).values[0]?.value).toBe(1);
    sends[0]?.answer();
    await turn();
    expect(sends.map(idsOf)).toEqual(['p:0 p:1 p:2 p:3', 'p:4']);
    expect(await settled(sent)).toEqual(['sent', 'sent', 'sent', 'sent', 'pending']);
    sends[1]?.answer();
    expect(await Promise.all(sent)).toEqual(Array(5).fill({ durability: 'broker' }));
  });

  it('sends a batch once that is given again while it waits or is out, and tells both how it went', async () => {
    const { driver, sends } = pendingDriver();
    const { send } = createSender(driver);
    const out = send(one(0));
    await turn();
    const sent = [out, send(one(0)), send(one(1)), send(one(1)), send(one(2))];
    await turn();
    sends[0]?.answer();
    await turn();
    expect(sends.map(idsOf)).toEqual(['p:0', 'p:1 p:2']);
    sends[1]?.fail(new Error('no answer'));
    const failed = Array(3).fill('UnavailableError');
    await turn();
    expect(await settled(sent)).toEqual(['sent', 'sent', ...failed]);
    // What failed is no longer under way.
    const again = send(one(1));
    await turn();
    sends[2]?.answer();
    expect(await again).toEqual({ durability: 'broker' });
  });

  it('sends to several partitions at once', async () => {
    const { driver, sends } = pendingDriver({ partitions: 3 });
    const { send } = createSender(driver);
    const sent = [0, 1, 2].map((sequence) => send(one(sequence)));
    await turn();
    expect(sends.map(({ partition }) => partition)).toEqual([0, 1, 2]);
    for (const send of sends) send.answer();
    await Promise.all(sent);
  });

  it('lets a lone batch wait for company, and sends at once when there is enough', async () => {
    const { driver, sends } = pendingDriver();
    const { send } = createSender(driver, { lingerMs: 60_000, targetBytes: 1_000 });
    const first = send(one(0));
    await turn();
    expect(sends).toHaveLength(0);
    const second = send(one(1, Array(100).fill('{"x":"0123456789"}')));
    await turn();
    expect(sends.length).toBe(1);
    sends[0]?.answer();
    await Promise.all([first, second]);
  });

  it('never waits longer than told to', async () => {
    const { driver, sends } = pendingDriver();
    const { send } = createSender(driver, { lingerMs: 20 });
    const sent = send(one(0));
    const started = performance.now();
    while (sends.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(performance.now() - started).toBeGreaterThan(10);
    sends[0]?.answer();
    await sent;
  });

  it(`joins to at most ${MAX_RECORDS_PER_SEND} records and the size of the topic`, async () => {
    const { driver, sends } = pendingDriver({ maxMessageBytes: 40_000 });
    const { send } = createSender(driver, { format: 'record' });
    const sent = Array.from({ length: 8 }, (_, sequence) => send(one(sequence, Array(200).fill('{}'))));
    await turn();
    for (let at = 0; at < 4; at++) {
      expect(sends[at]?.records).toHaveLength(400);
      sends[at]?.answer();
      await turn();
    }
    await Promise.all(sent);
  });

  it('keeps one batch whole, however many records it takes', async () => {
    const { driver, sends } = pendingDriver();
    const { send } = createSender(driver, { format: 'record' });
    const sent = send(one(0, Array(700).fill('{}')));
    await turn();
    expect(sends.map(({ records }) => records.length)).toEqual([700]);
    sends[0]?.answer();
    await sent;
  });

  it('fails what waits behind a send that fails, so that nothing overtakes it', async () => {
    const { driver, sends, topics } = pendingDriver();
    const { send, metrics } = createSender(driver);
    const sent = [send(one(0))];
    await turn();
    sent.push(send(one(1)), send(one(2)));
    await turn();
    sends[0]?.fail(new Error('connection lost'));
    await turn();
    expect(await settled(sent)).toEqual(Array(3).fill('UnavailableError'));
    expect(sends).toHaveLength(1);
    expect((await metrics.kafkaWriterErrors.get()).values[0]?.value).toBe(1);
    expect((await metrics.queueWaiting.get()).values[0]?.value).toBe(0);
    const next = send(one(3));
    await turn();
    expect(topics).toHaveLength(2);
    sends[1]?.answer();
    await next;
  });

  it.each([
    ['another partition', { partition: 1 }],
    ['an offset that is none', { baseOffset: -1n }],
    ['an offset that does not grow', { baseOffset: 0n }],
  ])('does not take an answer for its own that names %s', async (_, wrong) => {
    const { driver, sends } = pendingDriver();
    const { send } = createSender(driver);
    const first = send(one(0));
    await turn();
    sends[0]?.answer({ baseOffset: 0n });
    await first;
    const second = send(one(1));
    await turn();
    sends[1]?.answer(wrong);
    await expect(second).rejects.toThrow(UnavailableError);
    const third = send(one(1));
    await turn();
    sends[2]?.answer({ baseOffset: 0n });
    await third;
  });

  it('refuses a batch that the topic cannot take, before it is sent', async () => {
    const { driver, sends } = pendingDriver({ maxMessageBytes: 10_000 });
    const { send } = createSender(driver);
    const large = one(0, Array(1_000).fill('{"x":"0123456789"}'));
    await expect(send(large)).rejects.toThrow(BatchTooLargeError);
    await expect(send(large)).rejects.toMatchObject({ bytes: 19_000, limit: 10_000 });
    expect(sends).toHaveLength(0);
  });

  it('lets the broker judge where it is compressed, and the others of the send go by themselves', async () => {
    const { driver, sends } = pendingDriver({ maxMessageBytes: 10_000 });
    const { send } = createSender(driver, { compressed: true });
    const first = send(one(0));
    await turn();
    const sent = [send(one(1)), send(one(2))];
    await turn();
    sends[0]?.answer();
    await turn();
    const tooLarge = new BatchTooLargeError('too large', { bytes: 1, limit: 10_000 });
    sends[1]?.fail(tooLarge);
    await turn();
    sends[2]?.answer();
    await turn();
    sends[3]?.fail(tooLarge);
    await turn();
    expect(await settled([first, ...sent])).toEqual(['sent', 'sent', 'BatchTooLargeError']);
  });

  it('refuses a batch of more records than a client can read back', async () => {
    const { driver } = pendingDriver({ maxMessageBytes: 100_000_000 });
    const { send } = createSender(driver, { format: 'record', maxWaitingBytes: 1e9 });
    await expect(send(one(0, Array(100_001).fill('{}')))).rejects.toThrow(BatchTooLargeError);
  });

  it('holds no more than it may', async () => {
    const { driver, sends } = pendingDriver();
    const { send } = createSender(driver, { maxWaitingBytes: 1_700 });
    const sent = [0, 1, 2, 3, 4].map((sequence) => send(one(sequence)));
    await turn();
    sends[0]?.answer();
    await turn();
    expect(await settled(sent)).toEqual(['sent', 'sent', 'sent', 'UnavailableError', 'UnavailableError']);
    const later = send(one(5));
    await turn();
    sends[1]?.answer();
    await later;
  });

  it('asks again for a topic that it could not ask for', async () => {
    const { driver, sends } = pendingDriver();
    let away = true;
    const topic = async () => {
      if (away) throw new Error('no broker');
      return driver.topic();
    };
    const { send } = createSender({ ...driver, topic });
    await expect(send(one(0))).rejects.toThrow('cannot ask the broker for topic=logs: no broker');
    away = false;
    const sent = send(one(0));
    await turn();
    sends[0]?.answer();
    await sent;
  });

  it('fails what waits for the topic when a send fails, so that nothing overtakes it', async () => {
    const { driver, sends } = pendingDriver({ partitions: 2 });
    const questions: PromiseWithResolvers<void>[] = [];
    const topic = async () => {
      const question = Promise.withResolvers<void>();
      questions.push(question);
      await question.promise;
      return driver.topic();
    };
    const { send } = createSender({ ...driver, topic });
    const sent = [send(one(0)), send(one(1))];
    questions[0]?.resolve();
    await turn();
    sends[0]?.fail(new Error('reset'));
    await turn();
    // Waits for the topic, which is asked for again.
    sent.push(send(one(3)));
    await turn();
    sends[1]?.fail(new Error('reset'));
    await turn();
    sent.push(send(one(5)));
    for (const question of questions.slice(1).reverse()) {
      question.resolve();
      await turn();
    }
    expect(await settled(sent)).toEqual([...Array(3).fill('UnavailableError'), 'pending']);
    expect(sends.slice(2).map(idsOf)).toEqual(['p:5']);
  });

  it('fails the others of a send that is too large when one of them fails', async () => {
    const { driver, sends } = pendingDriver();
    const { send } = createSender(driver);
    const sent = [0, 1, 2].map((sequence) => send(one(sequence)));
    await turn();
    sends[0]?.fail(new BatchTooLargeError('too large', { bytes: 2, limit: 1 }));
    await turn();
    sends[1]?.answer();
    await turn();
    sends[2]?.fail(new Error('reset'));
    await turn();
    expect(sends.map(idsOf)).toEqual(['p:0 p:1 p:2', 'p:0', 'p:1']);
    expect(await settled(sent)).toEqual(['sent', 'UnavailableError', 'UnavailableError']);
  });

  it('uses partitions that are added to the topic, and those that it knows while the topic cannot be asked for', async () => {
    const { driver, sends, topic } = growingTopic(1);
    const { send } = createSender(driver, { topicMaxAgeMs: 0 });
    const deliver = async (sequence: number) => {
      const sent = send(one(sequence));
      await turn();
      sends.at(-1)?.answer();
      await sent;
      return sends.at(-1)?.partition;
    };
    expect(await deliver(1)).toBe(0);
    topic.partitions = 2;
    // The answer comes after this send.
    expect(await deliver(1)).toBe(0);
    expect(await deliver(1)).toBe(1);
    topic.fails = true;
    expect(await deliver(1)).toBe(1);
    expect(await deliver(2)).toBe(0);
    expect(topic.asked).toBe(5);
  });

  it('asks for the topic no more often than it should', async () => {
    const { driver, sends, topic } = growingTopic(1);
    const { send } = createSender(driver);
    for (let sequence = 0; sequence < 5; sequence++) {
      const sent = send(one(sequence));
      await turn();
      sends.at(-1)?.answer();
      await sent;
    }
    expect(topic.asked).toBe(1);
  });

  it('sends what it has when it is closed, and takes no more', async () => {
    const { driver, sends } = pendingDriver();
    const { sender, send } = createSender(driver, { lingerMs: 60_000 });
    const sent = send(one(0));
    await turn();
    const closing = sender.close();
    await turn();
    sends[0]?.answer();
    await closing;
    await sent;
    await expect(send(one(1))).rejects.toThrow(UnavailableError);
  });
});

describe('the partition of a batch', () => {
  const idempotency = { key: 'a key', bodyHash: '', answer: '', time: 0 };

  it('is its key’s, whatever id it has', () => {
    const partitions = [0, 1, 2, 3].map((sequence) => partitionOf({ ...one(sequence), idempotency }, 7));
    expect(new Set(partitions).size).toBe(1);
  });

  it('follows its id where there is no key, one after the other', () => {
    expect([0, 1, 2, 3, 4].map((sequence) => partitionOf(one(sequence), 3))).toEqual([0, 1, 2, 0, 1]);
  });
});
