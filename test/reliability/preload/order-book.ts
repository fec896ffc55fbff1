import { createRandom, type Random } from '../../support/random.ts';
import type { DiskFault, NumberedOrder, Operation } from './orders.ts';

/** An operation that is about to happen. */
export interface Call {
  readonly operation: Operation;
  readonly path: string;
  /** Whether it can be done in part. */
  readonly isDivisible: boolean;
}

export type Effect = Exclude<DiskFault, { readonly kind: 'delay' }> | { readonly kind: 'delay'; readonly ms: number };

/** The orders that hold in one thread, and how often each has struck. */
export interface OrderBook {
  /** Whether there is any order. Asked before each operation. */
  isEmpty(): boolean;
  replace(orders: readonly NumberedOrder[]): void;
  /** What happens to the call: by the first order that strikes it. */
  strike(call: Call): Effect | undefined;
  /** Whether an order may drop unsynced bytes of the file. */
  mayLose(path: string): boolean;
}

interface Held {
  readonly order: NumberedOrder;
  readonly path: RegExp;
  readonly random: Random;
  passed: number;
  struck: number;
}

export function createOrderBook(onStruck: (order: NumberedOrder, call: Call) => void = () => undefined): OrderBook {
  let held: readonly Held[] = [];

  function matches({ order, path }: Held, call: Call): boolean {
    if (!order.operations.includes(call.operation) || !path.test(call.path)) return false;
    return call.isDivisible || (order.fault.kind !== 'short' && order.fault.kind !== 'partial');
  }

  return {
    isEmpty: () => held.length === 0,
    replace(orders) {
      const before = new Map(held.map((each) => [each.order.id, each]));
      held = orders.map((order) => before.get(order.id) ?? hold(order));
    },
    strike(call) {
      for (const each of held) {
        const { skip = 0, times = Infinity, fault } = each.order;
        if (each.struck >= times || !matches(each, call)) continue;
        if (each.passed < skip) {
          each.passed++;
          continue;
        }
        each.struck++;
        onStruck(each.order, call);
        if (fault.kind !== 'delay') return fault;
        return { kind: 'delay', ms: fault.ms + each.random.int(0, fault.jitterMs) };
      }
      return undefined;
    },
    mayLose: (path) =>
      held.some(
        ({ order, path: pattern, struck }) =>
          order.fault.kind === 'lose' && struck < (order.times ?? Infinity) && pattern.test(path),
      ),
  };
}

function hold(order: NumberedOrder): Held {
  const seed = order.fault.kind === 'delay' ? order.fault.seed : 0;
  return { order, path: new RegExp(order.path), random: createRandom(seed), passed: 0, struck: 0 };
}
