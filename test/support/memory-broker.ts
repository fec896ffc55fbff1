import type {
  Driver,
  DriverConsumption,
  InRecord,
  OutRecord,
  PartitionEnds,
  Produced,
  RecordReceiver,
  RecordSink,
} from '../../src/queue/kafka/driver.ts';

/**
 * A broker in memory, shared by the drivers made of it: the reference model of what the real ones promise. Members of
 * the group take turns at the partitions; when one comes or goes, all of them let go and start again (the eager protocol).
 */
export interface MemoryBroker {
  driver(): Driver;
  /** The record batches of each partition. */
  readonly log: readonly (readonly (readonly InRecord[])[])[];
  readonly committed: ReadonlyMap<number, bigint>;
  /** The next sends are stored, and their answers lost. */
  swallowAnswers(count: number): void;
  /** While down, everything fails. */
  setDown(down: boolean): void;
  /** Appends a record that no driver of ours made. */
  inject(partition: number, record: Pick<InRecord, 'headers' | 'value' | 'problem'>): void;
  /** What the next sends are answered with in place of the truth. */
  answerWith(answers: readonly Produced[]): void;
}

export function createMemoryBroker(options: {
  readonly partitions: number;
  readonly maxMessageBytes?: number;
}): MemoryBroker {
  const { partitions, maxMessageBytes = 17 * 1024 * 1024 } = options;
  const log: InRecord[][][] = Array.from({ length: partitions }, () => []);
  const committed = new Map<number, bigint>();
  const members: Member[] = [];
  const answers: Produced[] = [];
  let down = false;
  let swallow = 0;

  function checkUp(): void {
    if (down) throw new Error('the broker is away');
  }

  function highOf(partition: number): bigint {
    return (log[partition]?.at(-1)?.at(-1)?.offset ?? -1n) + 1n;
  }

  function endsOf(partition: number): PartitionEnds {
    return { partition, low: 0n, high: highOf(partition), committed: committed.get(partition) };
  }

  function append(partition: number, records: readonly Pick<InRecord, 'headers' | 'value' | 'problem'>[]): bigint {
    const baseOffset = highOf(partition);
    const timestamp = Date.now();
    log[partition]?.push(
      records.map((record, index) => ({ ...record, offset: baseOffset + BigInt(index), timestamp })),
    );
    for (const member of members) member.wake();
    return baseOffset;
  }

  async function produce(partition: number, records: readonly OutRecord[]): Promise<Produced> {
    await new Promise(setImmediate);
    checkUp();
    if (log[partition] === undefined) throw new Error(`there is no partition=${partition}`);
    const copies = records.map(({ headers, value }) => ({ headers, value: Buffer.from(value) }));
    const baseOffset = append(partition, copies);
    if (swallow > 0) {
      swallow--;
      throw new Error('no answer from the broker');
    }
    return answers.shift() ?? { partition, baseOffset };
  }

  let rebalancing: Promise<void> = Promise.resolve();
  function rebalance(change: () => void): Promise<void> {
    rebalancing = rebalancing.then(async () => {
      await Promise.all(members.map((member) => member.revoke()));
      change();
      members.forEach((member, index) => {
        member.run([...log.keys()].filter((partition) => partition % members.length === index));
      });
    });
    return rebalancing;
  }

  function consume(sink: RecordSink): DriverConsumption {
    const member = createMember({
      sink,
      endsOf,
      read: (partition, from) =>
        down ? undefined : log[partition]?.find((batch) => (batch.at(-1)?.offset ?? -1n) >= from),
      commit: (partition, next) => committed.set(partition, next),
    });
    void rebalance(() => members.push(member));
    let stopped: Promise<void> | undefined;
    return {
      stop: () => {
        stopped ??= rebalance(() => members.splice(members.indexOf(member), 1));
        return stopped;
      },
    };
  }

  return {
    log,
    committed,
    swallowAnswers: (count) => {
      swallow = count;
    },
    setDown: (value) => {
      down = value;
      for (const member of members) member.wake();
    },
    inject: (partition, record) => {
      append(partition, [record]);
    },
    answerWith: (wrong) => {
      answers.push(...wrong);
    },
    driver: () => ({
      produce,
      consume,
      topic: async () => {
        checkUp();
        return { partitions, maxMessageBytes };
      },
      ends: async () => {
        checkUp();
        return Array.from(log.keys(), endsOf);
      },
      close: async () => undefined,
    }),
  };
}

interface Member {
  run(partitions: readonly number[]): void;
  revoke(): Promise<void>;
  wake(): void;
}

function createMember(parts: {
  readonly sink: RecordSink;
  endsOf(partition: number): PartitionEnds;
  /** The record batch that holds the offset. */
  read(partition: number, from: bigint): readonly InRecord[] | undefined;
  commit(partition: number, next: bigint): void;
}): Member {
  const { sink, endsOf, read, commit } = parts;
  let revoked = new AbortController();
  let reading: Promise<unknown> = Promise.resolve();
  let news = Promise.withResolvers<void>();

  async function readAll(partition: number, receiver: RecordReceiver, signal: AbortSignal): Promise<void> {
    let position = receiver.offset;
    while (!signal.aborted) {
      const seen = news.promise;
      const records = read(partition, position)?.filter((record) => record.offset >= position) ?? [];
      const last = records.at(-1);
      if (last === undefined) await Promise.race([seen, aborted(signal)]);
      else {
        const next = last.offset + 1n;
        const hasMore = next < endsOf(partition).high;
        const stored = await receiver.receive({ records, next, hasMore }, signal);
        position = next;
        if (stored !== undefined) commit(partition, stored);
      }
    }
  }

  return {
    run: (partitions) => {
      revoked = new AbortController();
      const { signal } = revoked;
      reading = Promise.allSettled(
        partitions.map(async (partition) => readAll(partition, await sink.assign(endsOf(partition)), signal)),
      );
    },
    revoke: async () => {
      revoked.abort(new Error('the partition was given away'));
      await reading;
    },
    wake: () => {
      news.resolve();
      news = Promise.withResolvers();
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
