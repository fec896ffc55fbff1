import { setTimeout as sleep } from 'node:timers/promises';
import { readEnds } from './admin.ts';
import { commit, lose, type Member } from './member.ts';

const RETRY_MS = 1_000;

/**
 * Takes what the group assigned. Synchronous until all partitions are paused, because kafkajs fetches right after a join;
 * then each partition is sought to its true position and resumed.
 */
export function join(member: Member, partitions: readonly number[]): void {
  const generation = lose(member, new Error('the group was joined again'));
  const { topic } = member.options;
  if (partitions.length === 0) return;
  // Also when the member is over: it must not read what it is given now.
  member.consumer.pause([{ topic, partitions: [...partitions] }]);
  if (!member.isOver) void assignAll(member, partitions, generation);
}

async function assignAll(member: Member, partitions: readonly number[], generation: number): Promise<void> {
  const { sink, consumer, admin, options } = member;
  const { topic } = options;
  while (member.generation === generation) {
    try {
      const ends = await readEnds(admin, options);
      await Promise.all(
        partitions.map(async (partition) => {
          const state = ends.find((end) => end.partition === partition);
          if (state === undefined) throw new Error(`the broker does not know topic=${topic} partition=${partition}`);
          const receiver = await sink.assign(state);
          if (member.generation !== generation) return;
          member.readers.set(partition, { receiver, stall: undefined });
          consumer.seek({ topic, partition, offset: String(receiver.offset) });
          if (state.committed !== receiver.offset) await commit(member, partition, receiver.offset);
          if (member.generation !== generation) return;
          consumer.resume([{ topic, partitions: [partition] }]);
        }),
      );
      return;
    } catch (error) {
      sink.failed('cannot begin to read assigned partitions; trying again', error);
      await sleep(RETRY_MS);
    }
  }
}
