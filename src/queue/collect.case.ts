import { setTimeout as sleep } from 'node:timers/promises';
import type { Consumption, Delivery, PartitionState, Queue, QueuedBatch, QueueHandler, QueueItem } from './queue.ts';

/** A handler that keeps everything, and what it was told of. */
export interface Collector extends QueueHandler {
  readonly items: { readonly partition: number; readonly item: QueueItem }[];
  readonly assigned: PartitionState[];
  readonly failures: Error[];
  batches(): QueuedBatch[];
  ids(): string[];
}

/**
 * Collects what comes. `begin` decides where a partition is read from; where the group stands, by default. `store` is
 * awaited for each delivery before it counts as stored.
 */
export function createCollector(
  options: {
    readonly begin?: (state: PartitionState) => bigint;
    readonly store?: (delivery: Delivery, signal: AbortSignal) => Promise<void>;
  } = {},
): Collector {
  const { begin = ({ committed, low }) => committed ?? low, store } = options;
  const items: Collector['items'] = [];
  const assigned: PartitionState[] = [];
  const failures: Error[] = [];
  const batches = () => items.flatMap(({ item }) => (item.kind === 'batches' ? item.batches : []));
  return {
    items,
    assigned,
    failures,
    batches,
    ids: () => batches().map(({ id }) => id),
    fatal: (error) => failures.push(error),
    assign: async (state) => {
      assigned.push(state);
      return {
        offset: begin(state),
        receive: async (delivery, signal) => {
          await store?.(delivery, signal);
          const { partition } = delivery;
          items.push(...delivery.items.map((item) => ({ partition, item: keepItem(item) })));
        },
      };
    },
  };
}

/** Values are views of a buffer that is not ours for long. */
function keepItem(item: QueueItem): QueueItem {
  if (item.kind === 'foreign') return { ...item, value: item.value === null ? null : Buffer.from(item.value) };
  const batches = item.batches.map((queued) => ({
    ...queued,
    batch: queued.batch.map((chunk) => ({ ...chunk, lines: Buffer.from(chunk.lines) })),
  }));
  return { ...item, batches };
}

/** Waits for what must come true; fails with what it saw last. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 30_000,
): Promise<void> {
  for (const end = performance.now() + withinMs; !(await condition()); await sleep(10)) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
  }
}

/** Consumes with the collector for as long as `work` takes. */
export async function whileConsuming<T>(
  queue: Pick<Queue, 'consume'>,
  handler: QueueHandler,
  work: () => Promise<T>,
): Promise<T> {
  const consumption: Consumption = queue.consume(handler);
  try {
    return await work();
  } finally {
    await consumption.stop();
  }
}
