import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Log } from '../../log.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import { createBatchIds } from '../../model/batch-id.ts';
import { type Clock, systemClock } from '../../model/clock.ts';
import { type Receipt, UnavailableError } from '../../model/deliver.ts';
import type { Consumption, Queue, QueueHandler, QueueItem } from '../queue.ts';
import { ENTRY_HEAD_BYTES, encodeBody, lengthOf, type SpoolEntry } from './spool-format.ts';
import { type SpoolDisk, SpoolSegments } from './spool-segments.ts';

export interface SpoolOptions {
  readonly dir: string;
  /** Bytes it may take on disk; beyond, batches are refused with UnavailableError. */
  readonly maxBytes: number;
  readonly metrics: Pick<Metrics, 'spoolBytes' | 'spoolBatches' | 'spoolAge'>;
  readonly log: Log;
  readonly clock?: Clock;
  readonly disk?: SpoolDisk;
}

/** A queue on our own disk, of one partition: what is acknowledged is synced. One process owns its folder. */
export interface Spool extends Queue {
  /** Batches that wait to be taken out. */
  waiting(): number;
  /** The offset that the next batch will have; those being written are before it. */
  end(): bigint;
  bytes(): number;
  /** Puts the gauges right, the age of the oldest among them. */
  show(): void;
}

const TOPIC = 'spool';
const MAX_SEGMENT_BYTES = 64 * 1024 * 1024;
const MAX_GROUP_BYTES = 16 * 1024 * 1024;
const MAX_DELIVERY_BYTES = 4 * 1024 * 1024;
const RETRY_AFTER_SECONDS = 5;

interface Waiting {
  readonly body: readonly Buffer[];
  readonly bytes: number;
  resolve(receipt: Receipt): void;
  reject(error: unknown): void;
}

/** Opens the spool in `dir`/spool and finds what the last run left in it. */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const { dir, maxBytes, metrics, log, clock = systemClock, disk } = options;
  const segmentBytes = Math.min(MAX_SEGMENT_BYTES, Math.ceil(maxBytes / 8));
  const segments = await SpoolSegments.open({ dir: join(dir, 'spool'), segmentBytes, log, disk });
  const nextId = createBatchIds(randomUUID());
  const group: Waiting[] = [];
  let groupBytes = 0;
  /** Batches taken and not written yet. */
  let inHand = 0;
  let writing: Promise<void> | undefined;
  let news = Promise.withResolvers<void>();
  let consumption: Consumption | undefined;
  let closed = false;
  /** Unix ms at which the oldest batch was taken, to within one delivery. */
  let oldest = (await segments.read(segments.head, 1))[0]?.time;
  show();

  function show(): void {
    metrics.spoolBytes.set(segments.bytes);
    metrics.spoolBatches.set(segments.tail - segments.head);
    metrics.spoolAge.set(oldest === undefined ? 0 : Math.max(0, clock() - oldest) / 1000);
  }

  async function enqueue(...[batch, note = {}]: Parameters<Queue['enqueue']>): Promise<Receipt> {
    if (closed) throw new UnavailableError('the spool is closing', RETRY_AFTER_SECONDS);
    const { idempotency, deadLetters, batchIds: [id = nextId()] = [] } = note;
    const extra = { ...(idempotency && { idempotency }), ...(deadLetters && { deadLetters }) };
    const body = encodeBody({ id, batch, ...extra }, clock());
    const bytes = ENTRY_HEAD_BYTES + lengthOf(body);
    if (segments.bytes + groupBytes + bytes > maxBytes) {
      throw new UnavailableError(`the spool is full: ${segments.bytes} of ${maxBytes} bytes`, RETRY_AFTER_SECONDS);
    }
    groupBytes += bytes;
    inHand++;
    return new Promise((resolve, reject) => {
      group.push({ body, bytes, resolve, reject });
      writing ??= write();
    });
  }

  /** What comes while a group is being synced is the next group. */
  async function write(): Promise<void> {
    while (group.length > 0) {
      const next = takeGroup();
      try {
        await segments.append(next.map(({ body }) => body)).finally(() => {
          inHand -= next.length;
        });
        oldest ??= clock();
        for (const { resolve } of next) resolve({ durability: 'spool' });
        wake();
      } catch (cause) {
        log.error('cannot write to the spool', { err: cause, fold: 'spool' });
        const reason = cause instanceof Error ? cause.message : String(cause);
        const error = new UnavailableError(`cannot write to the spool: ${reason}`, RETRY_AFTER_SECONDS, { cause });
        for (const { reject } of next) reject(error);
      }
      for (const { bytes } of next) groupBytes -= bytes;
      show();
    }
    writing = undefined;
  }

  function wake(): void {
    news.resolve();
    news = Promise.withResolvers();
  }

  function takeGroup(): Waiting[] {
    let bytes = 0;
    const count = group.findIndex((waiting, index) => {
      bytes += waiting.bytes;
      return index > 0 && bytes > MAX_GROUP_BYTES;
    });
    return group.splice(0, count === -1 ? group.length : count);
  }

  function consume(handler: QueueHandler): Consumption {
    if (consumption !== undefined) throw new Error('the spool is consumed already');
    const stopping = new AbortController();
    const running = run(handler, stopping.signal).catch((error: unknown) => {
      if (!stopping.signal.aborted) handler.fatal(error instanceof Error ? error : new Error(String(error)));
    });
    const mine: Consumption = {
      stop: async () => {
        stopping.abort(new Error('the spool is no longer consumed'));
        wake();
        await running;
        if (consumption === mine) consumption = undefined;
      },
    };
    consumption = mine;
    return mine;
  }

  async function run(handler: QueueHandler, signal: AbortSignal): Promise<void> {
    const head = BigInt(segments.head);
    const state = { topic: TOPIC, partition: 0, committed: head, low: head, high: BigInt(segments.tail) };
    const assignment = await handler.assign(state);
    let at = Number(assignment.offset);
    while (!signal.aborted) {
      const seen = news.promise;
      const entries = await segments.read(at, MAX_DELIVERY_BYTES);
      const next = entries.at(-1)?.sequence;
      if (next === undefined) {
        await seen;
        continue;
      }
      const items = entries.map(toItem);
      await assignment.receive({ topic: TOPIC, partition: 0, items, next: BigInt(next + 1) }, signal);
      at = next + 1;
      await segments.giveUp(at);
      oldest = at === segments.tail ? undefined : entries.at(-1)?.time;
      show();
    }
  }

  return {
    ...{ enqueue, consume, show },
    waiting: () => segments.tail - segments.head + inHand,
    end: () => BigInt(segments.tail + inHand),
    bytes: () => segments.bytes,
    lag: async () => {
      const [committed, high] = [BigInt(segments.head), BigInt(segments.tail)];
      return [{ partition: 0, committed, high, messages: Number(high - committed) }];
    },
    check: async () => {
      if (closed) throw new Error('the spool is closing');
      if (segments.bytes >= maxBytes) throw new Error(`the spool is full: ${segments.bytes} of ${maxBytes} bytes`);
    },
    close: async () => {
      closed = true;
      await consumption?.stop();
      await writing;
      await segments.close();
    },
  };
}

function toItem({ sequence, time, batch }: SpoolEntry): QueueItem {
  const [offset, next] = [BigInt(sequence), BigInt(sequence + 1)];
  return { kind: 'batches', offset, next, timestamp: time, batches: [batch] };
}
