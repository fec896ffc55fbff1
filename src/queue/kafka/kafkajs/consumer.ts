import { setTimeout as sleep } from 'node:timers/promises';
import type { DriverConsumption, RecordSink } from '../driver.ts';
import { join } from './assign.ts';
import type { KafkaJsOptions } from './client.ts';
import { type Crash, createMember, lose, type Member } from './member.ts';
import { handle, storeRest } from './read.ts';

/*
 * A member of the group by kafkajs. On GROUP_JOIN, which kafkajs emits before it fetches anything, all partitions are
 * paused, their true positions are asked for, and each is sought and resumed (assign.ts). A handler does not return while
 * records are being stored, nor before their offset is committed to the group (read.ts). kafkajs joins again only when no
 * handler runs: so a partition is never given away while its records are being stored. `fromBeginning` and
 * `autoCommit: false` keep kafkajs from deciding positions.
 *
 * A consumer that crashed is replaced by a new one. kafkajs would restart it by itself, even after it was stopped. What
 * kafkajs does not restart would stand still without a message: that ends the process. A crashed consumer is
 * disconnected even while it joins: kafkajs lets a consumer that is told to disconnect finish its join.
 */

const RETRY_MS = 1_000;
/** What telling the group goodbye may take. An unavailable broker cannot be told, and kafkajs tries for a long time. */
const LEAVE_MS = 4_000;

export function consumeByKafkaJs(parts: {
  readonly options: KafkaJsOptions;
  readonly sink: RecordSink;
  ensureTopic(): Promise<unknown>;
}): DriverConsumption {
  const { sink } = parts;
  const stopping = new AbortController();
  const stopSignal = new Promise<undefined>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });

  async function runMembers(): Promise<void> {
    while (!stopping.signal.aborted) {
      const member = createMember(parts);
      const crash = await runMember(member);
      if (crash === undefined) await storeRest(member);
      await disconnect(member);
      if (crash === undefined) return;
      if (!crash.retriable) {
        sink.fatal(crash.error);
        return;
      }
      sink.failed('a consumer failed; trying again', crash.error);
      await sleep(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  /** Resolves with the crash that ended it, or with undefined when it was told to stop. */
  async function runMember(member: Member): Promise<Crash | undefined> {
    member.started = parts.ensureTopic().then(() => run(member, parts.options));
    try {
      await Promise.race([member.started, stopSignal]);
    } catch (error) {
      return { error: error instanceof Error ? error : new Error(String(error)), retriable: true };
    }
    const crash = await Promise.race([member.crashed, stopSignal]);
    member.lost.abort(crash?.error ?? new Error('the consumer is stopping'));
    return crash;
  }

  const running = runMembers();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

async function run(member: Member, { topic, partitions }: KafkaJsOptions): Promise<void> {
  const { consumer, admin } = member;
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    member.sink.joined(payload.memberId);
    join(member, payload.memberAssignment[topic] ?? []);
  });
  await admin.connect();
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: partitions,
    eachBatch: (payload) => handle(member, payload),
  });
}

/** Waits until the work in progress is stored, then at most LEAVE_MS for the group to be told that this member leaves. */
async function disconnect(member: Member): Promise<void> {
  const { consumer, admin, storing, started } = member;
  member.isOver = true;
  const inTime = new AbortController();
  const gone = started
    .catch(() => undefined)
    .then(() => Promise.allSettled([consumer.disconnect(), admin.disconnect()]));
  const late = Promise.allSettled(storing).then(() => sleep(LEAVE_MS, undefined, { signal: inTime.signal }));
  await Promise.race([gone, late]);
  inTime.abort();
  lose(member, new Error('the consumer is disconnected'));
}
