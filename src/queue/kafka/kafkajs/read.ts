import { setTimeout as sleep } from 'node:timers/promises';
import type { EachBatchPayload, KafkaMessage } from 'kafkajs';
import type { InRecord } from '../driver.ts';
import { commit, type Member, type Reader } from './member.ts';

const HEARTBEAT_MS = 1_000;
/**
 * Records that wait for more are read again, and then stored, when no more comes in this time although the broker
 * announced it: it does not give out what follows an open transaction, and a log may be cut.
 */
const STALL_MS = 1_000;
/** What storing the rest may take at a stop. */
const LAST_FLUSH_MS = 2_000;

/** What kafkajs calls with the records of one fetch and one partition. */
export async function handle(member: Member, payload: EachBatchPayload): Promise<void> {
  const { batch, heartbeat, resolveOffset, isStale, isRunning } = payload;
  const { generation, readers, lost } = member;
  const { topic, partition } = batch;
  const reader = readers.get(partition);
  // Not resolved: it will be fetched again from the position that is sought.
  if (reader === undefined || member.isOver || isStale() || !isRunning()) return;
  clearTimeout(reader.stall);
  const next = BigInt(batch.lastOffset()) + 1n;
  // Records wait for more only where the membership lasts: when the group is joined again they would be read again.
  const notMember = await failureOf(heartbeat());
  if (member.isOver) return;
  const hasMore = notMember === undefined && next < BigInt(batch.highWatermark);
  const work = reader.receiver.receive({ records: batch.messages.map(toInRecord), next, hasMore }, lost.signal);
  member.storing.add(work);
  const settled = () => member.storing.delete(work);
  work.then(settled, settled);
  try {
    const failure = (await whileBeating(work, heartbeat, (reason) => lost.abort(reason))) ?? notMember;
    const stored = await work;
    if (member.generation === generation) {
      resolveOffset(batch.lastOffset());
      if (stored === undefined) reader.stall = setTimeout(() => readAgain(member, partition, reader), STALL_MS);
      // Not the consumer's own commit, which does nothing, without a word, once the consumer is told to stop.
      else {
        const offsets = toOffsets({ topic, partition, next: stored });
        await commit(member, partition, stored, () => payload.commitOffsetsIfNecessary(offsets));
      }
    }
    if (failure !== undefined) throw failure;
  } catch (error) {
    if (member.generation === generation) readAgain(member, partition, reader);
    throw error;
  }
}

/** Forgets what is not stored, and fetches it again. */
function readAgain({ consumer, options }: Member, partition: number, { receiver }: Reader): void {
  const offset = String(receiver.rewind());
  try {
    consumer.seek({ topic: options.topic, partition, offset });
  } catch {
    // The consumer crashed and is disconnected: the next one begins where the journal says.
  }
}

function toOffsets({ topic, partition, next }: { topic: string; partition: number; next: bigint }) {
  return { topics: [{ topic, partitions: [{ partition, offset: String(next) }] }] };
}

async function failureOf(attempt: Promise<void>): Promise<Error | undefined> {
  try {
    await attempt;
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** At a stop: stores what waits for more. What cannot be stored in time is read again by whoever gets the partition. */
export async function storeRest(member: Member): Promise<void> {
  const { consumer, options, readers } = member;
  const { topic } = options;
  member.isOver = true;
  await Promise.allSettled(member.storing);
  if (readers.size === 0) return;
  try {
    consumer.pause([{ topic, partitions: [...readers.keys()] }]);
  } catch {
    return; // It crashed meanwhile, and cannot tell the group any more.
  }
  member.lost = new AbortController();
  const signal = AbortSignal.any([member.lost.signal, AbortSignal.timeout(LAST_FLUSH_MS)]);
  const flushes = Array.from(readers, async ([partition, { receiver }]) => {
    const stored = await receiver.flush(signal);
    if (stored === undefined) return;
    await commit(member, partition, stored);
  });
  await Promise.allSettled(flushes);
}

/**
 * Keeps the membership alive while records are being stored. Resolves when they are, with the failure of a heartbeat if
 * there was one: it is passed on once what is stored is committed. Rejects when they are not stored.
 */
async function whileBeating(
  work: Promise<unknown>,
  heartbeat: () => Promise<void>,
  giveUp: (reason: Error) => void,
): Promise<Error | undefined> {
  const settled = new AbortController();
  const done = work.finally(() => settled.abort());
  done.catch(() => undefined);
  let failure: Error | undefined;
  while (!settled.signal.aborted && failure === undefined) {
    await sleep(HEARTBEAT_MS, undefined, { signal: settled.signal }).catch(() => undefined);
    if (settled.signal.aborted) break;
    failure = await failureOf(heartbeat());
    if (failure !== undefined) giveUp(failure);
  }
  await done.catch((error: unknown) => {
    throw failure ?? error;
  });
  return failure;
}

function toInRecord({ offset, timestamp, headers, value }: KafkaMessage): InRecord {
  const texts: Record<string, string> = {};
  for (const [name, raw] of Object.entries(headers ?? {})) {
    const first = Array.isArray(raw) ? raw[0] : raw;
    if (first !== undefined && first !== null) texts[name] = first.toString();
  }
  return { offset: BigInt(offset), timestamp: Number(timestamp), headers: texts, value };
}
