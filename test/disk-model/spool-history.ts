import { join } from 'node:path';
import fc from 'fast-check';
import { vi } from 'vitest';
import { createMetrics } from '../../src/metrics/metrics.ts';
import type { Batch } from '../../src/model/chunk.ts';
import type { QueuedBatch } from '../../src/queue/queue.ts';
import { openSpool, type Spool } from '../../src/queue/spool/spool.ts';
import { type Life, type LifePlan, lives, runLives } from './lives.ts';

/** Histories of the spool (src/queue/spool), and what must come out of it after each start. */

export type SpoolStep =
  /** Batches of about these bytes, all at once. */
  | { readonly kind: 'put'; readonly sizes: readonly number[] }
  /** The consumer may take so many batches more; then it holds the spool up. */
  | { readonly kind: 'take'; readonly batches: number }
  | { readonly kind: 'turns'; readonly turns: number }
  | { readonly kind: 'settle' };

export interface SpoolHistory {
  readonly maxBytes: number;
  readonly lives: readonly LifePlan<SpoolStep>[];
}

const step: fc.Arbitrary<SpoolStep> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      sizes: fc.array(fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 6_000 })), { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const), batches: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('turns' as const), turns: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'settle' as const }) },
);

export const spoolHistory: fc.Arbitrary<SpoolHistory> = fc.record({
  maxBytes: fc.constantFrom(8_000, 40_000, 1_000_000),
  lives: lives(step, { maxSteps: 10, maxLives: 6 }),
});

/** refused: an entry of it may still be on the disk until something is acknowledged after it. */
type Fate = 'running' | 'acknowledged' | 'refused' | 'unknown' | 'absent';

interface Put {
  readonly id: string;
  readonly batch: Batch;
  fate: Fate;
  /** Handed on by the consumer, and the spool was told so. */
  isDelivered: boolean;
  /** Its delivery may come again: a crash came after it. */
  mayComeAgain: boolean;
}

const metrics = createMetrics({ defaultMetrics: false });

export class SpoolLedger {
  readonly #puts: Put[] = [];

  put(size: number): Put {
    const number = this.#puts.length;
    const lines = Buffer.from(`{"n":${number},"p":"${String.fromCharCode(97 + (number % 26)).repeat(size)}"}\n`);
    const put: Put = {
      id: `p:${number}`,
      batch: [{ stream: 'access', hour: 489_000, count: 1, lines }],
      fate: 'running',
      isDelivered: false,
      mayComeAgain: false,
    };
    this.#puts.push(put);
    return put;
  }

  acknowledged(put: Put): void {
    put.fate = 'acknowledged';
    for (const other of this.#puts) if (other.fate === 'refused') other.fate = 'absent';
  }

  /** A batch came out. `before` is the one that came before it in this life. */
  came({ id, batch }: QueuedBatch, before: number): number {
    const number = Number(id.slice(2));
    const put = this.#puts[number];
    if (put === undefined) throw new Error(`batch ${id} was never put`);
    if (number <= before) throw new Error(`batch ${number} came after batch ${before}`);
    const isWhole =
      batch.length === put.batch.length &&
      batch.every(({ hour, lines }, at) => put.batch[at]?.hour === hour && put.batch[at].lines.equals(lines));
    if (!isWhole) throw new Error(`batch ${number} came out different`);
    if (put.fate === 'absent') throw new Error(`batch ${number} was refused, and came out`);
    if (put.isDelivered && !put.mayComeAgain) throw new Error(`batch ${number} came again after an orderly stop`);
    return number;
  }

  delivered(number: number): void {
    const put = this.#puts[number];
    if (put !== undefined) put.isDelivered = true;
  }

  /**
   * The process died, or stopped on a disk that failed: what it had delivered may come again. What it refused last may be on
   * the disk, and then the next start takes it.
   */
  crashed(): void {
    for (const put of this.#puts) {
      if (put.isDelivered) put.mayComeAgain = true;
      if (put.fate === 'refused') put.fate = 'unknown';
    }
  }

  stopped(): void {
    for (const put of this.#puts) if (put.fate === 'refused') put.fate = 'absent';
  }

  /** Everything came out that must. */
  checkEmpty(): void {
    for (const { id, fate, isDelivered } of this.#puts) {
      if (fate === 'acknowledged' && !isDelivered) throw new Error(`batch ${id} was acknowledged and is lost`);
    }
  }
}

/** Throws when a promise of the spool is broken. */
export async function runSpoolHistory(history: SpoolHistory): Promise<void> {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  const ledger = new SpoolLedger();
  try {
    await runLives(history.lives, (life, plan) => runLife({ history, life, plan, ledger }), describeStep);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\nmaxBytes=${history.maxBytes}`);
  } finally {
    vi.useRealTimers();
  }
}

interface LifeParts {
  readonly history: SpoolHistory;
  readonly life: Life;
  readonly plan: LifePlan<SpoolStep>;
  readonly ledger: SpoolLedger;
}

async function runLife({ history, life, plan, ledger }: LifeParts): Promise<'go on'> {
  const { root, crash, log, errors } = life;
  let spool: Spool;
  try {
    spool = await openSpool({ dir: join(root, 'state'), maxBytes: history.maxBytes, metrics, log, files: crash.files });
  } catch (error) {
    // A start on a disk that fails ends, and is tried again.
    if (!crash.isDead() && !crash.hadFault()) throw error;
    crash.die();
    await crash.quiet();
    ledger.crashed();
    return 'go on';
  }
  if (!crash.isDead() && !crash.hadFault() && errors.length > 0)
    throw new Error(`errors were logged after a plain crash: ${errors.join('; ')}`);
  const taker = createTaker(life, ledger);
  const consumption = spool.consume(taker.handler);
  const waiting: Promise<void>[] = [];
  for (const each of plan.steps) {
    if (crash.isDead()) break;
    await runStep(each, { life, ledger, spool, taker, waiting });
  }
  const isLast = plan.steps.length === 0 && plan.isClosed && plan.dieAt === 0;
  if (isLast) taker.allow(Number.POSITIVE_INFINITY);
  if (isLast || plan.isClosed) await crash.quiet();
  if (isLast && !crash.isDead() && !crash.hadFault()) ledger.checkEmpty();
  if (!plan.isClosed) crash.die();
  taker.stop();
  await consumption.stop();
  await spool.close();
  await Promise.all(waiting);
  if (crash.isDead() || crash.hadFault() || plan.end === 'power cut') ledger.crashed();
  else ledger.stopped();
  crash.die();
  await crash.quiet();
  if (taker.failures.length > 0) throw taker.failures[0];
  return 'go on';
}

interface Taker {
  readonly handler: Parameters<Spool['consume']>[0];
  readonly failures: Error[];
  allow(batches: number): void;
  stop(): void;
}

/** Takes as many batches as it may, and checks each. */
function createTaker({ crash }: Life, ledger: SpoolLedger): Taker {
  const failures: Error[] = [];
  let left = 0;
  let isStopped = false;
  let before = -1;
  let news = Promise.withResolvers<void>();
  const wake = (): void => {
    news.resolve();
    news = Promise.withResolvers();
  };
  return {
    failures,
    allow(batches) {
      left += batches;
      wake();
    },
    stop() {
      isStopped = true;
      wake();
    },
    handler: {
      fatal: (error) => {
        if (!crash.isDead() && !crash.hadFault()) failures.push(error);
      },
      assign: async ({ low }) => ({
        offset: low,
        async receive({ items }) {
          const batches = items.flatMap((item) => (item.kind === 'batches' ? item.batches : []));
          const numbers: number[] = [];
          try {
            for (const batch of crash.isDead() ? [] : batches) {
              before = ledger.came(batch, before);
              numbers.push(before);
            }
          } catch (error) {
            failures.push(error as Error);
          }
          while (left < batches.length && !isStopped) await news.promise;
          if (left < batches.length) throw new Error('the consumer is stopped');
          left -= batches.length;
          if (!crash.isDead()) for (const number of numbers) ledger.delivered(number);
        },
      }),
    },
  };
}

async function runStep(
  each: SpoolStep,
  parts: {
    readonly life: Life;
    readonly ledger: SpoolLedger;
    readonly spool: Spool;
    readonly taker: Taker;
    readonly waiting: Promise<void>[];
  },
): Promise<void> {
  const { life, ledger, spool, taker, waiting } = parts;
  const { crash } = life;
  switch (each.kind) {
    case 'put':
      for (const size of each.sizes) {
        const put = ledger.put(size);
        const done = spool.enqueue(put.batch, { batchIds: [put.id] }).then(
          () => {
            if (!crash.isDead()) ledger.acknowledged(put);
          },
          () => {
            put.fate = crash.isDead() ? 'unknown' : 'refused';
          },
        );
        waiting.push(done);
      }
      return;
    case 'take':
      taker.allow(each.batches);
      return;
    case 'turns':
      for (let turn = 0; turn < each.turns; turn++) await new Promise((done) => setImmediate(done));
      return;
    case 'settle':
      await Promise.all(waiting);
      await crash.quiet();
      return;
  }
}

function describeStep(each: SpoolStep): string {
  switch (each.kind) {
    case 'put':
      return `put ${each.sizes.map((size) => `${size} bytes`).join(' | ')}`;
    case 'take':
      return `take ${each.batches}`;
    case 'turns':
      return `${each.turns} turns of the event loop`;
    case 'settle':
      return 'settle';
  }
}
