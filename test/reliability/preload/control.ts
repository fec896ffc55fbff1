import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createLineReader,
  type DiskOrder,
  type NumberedOrder,
  type Operation,
  type Report,
  SOCKET_VARIABLE,
  type State,
} from './orders.ts';

/** What an order did. */
export interface Strike {
  readonly operation: Operation;
  readonly path: string;
}

export interface HeldOrder {
  /** What it struck so far, in all threads and all starts. */
  readonly strikes: readonly Strike[];
  /** Resolves with true when it has struck so often, with false when that takes longer than `withinMs`. */
  struck(times: number, withinMs?: number): Promise<boolean>;
  /** Resolves when it holds in no thread. */
  lift(): Promise<void>;
}

/**
 * Gives orders to the disk and the clock of services that were started with `start`. They hold in every thread, also in those that start
 * later, and in the next start. Close it after the services have ended.
 */
export interface DiskControl {
  readonly start: { readonly env: Readonly<Record<string, string>>; readonly preload: readonly string[] };
  /** Resolves when the order holds in all threads. */
  order(order: DiskOrder): Promise<HeldOrder>;
  /** Sets the clock of the service: real time plus `offsetMs`. Resolves when it holds in all threads. */
  setClock(offsetMs: number): Promise<void>;
  /** Threads that take orders now. */
  threads(): number;
  close(): Promise<void>;
}

const WAIT_MS = 60_000;
const PRELOAD = join(import.meta.dirname, 'preload.ts');

interface Thread {
  readonly socket: Socket;
  holds: number;
}

interface Entry {
  readonly order: NumberedOrder;
  readonly strikes: Strike[];
  /** A lifted order stays, for strikes that are reported late. */
  isLifted: boolean;
}

// Long: the state of one control, in closures that each are short.
export function createDiskControl(): DiskControl {
  const folder = mkdtempSync(join(tmpdir(), 'lf-orders-'));
  const path = join(folder, 's');
  const threads = new Set<Thread>();
  const entries = new Map<number, Entry>();
  let [number, nextId, clockOffsetMs] = [0, 1, 0];
  let news = Promise.withResolvers<void>();

  function wake(): void {
    news.resolve();
    news = Promise.withResolvers();
  }

  /** False when it takes too long. */
  async function until(isDone: () => boolean, withinMs = WAIT_MS): Promise<boolean> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      resolve();
    }, withinMs);
    try {
      while (!isDone() && !isLate) await Promise.race([news.promise, late]);
      return isDone();
    } finally {
      clearTimeout(timer);
    }
  }

  function send({ socket }: Thread, orders: readonly NumberedOrder[]): void {
    const state: State = { number, orders, clockOffsetMs };
    if (socket.writable) socket.write(`${JSON.stringify(state)}\n`);
  }

  /** Sends the state to all threads, and waits until it holds. */
  async function publish(): Promise<void> {
    const mine = ++number;
    const orders = [...entries.values()].filter(({ isLifted }) => !isLifted).map(({ order }) => order);
    for (const thread of threads) send(thread, orders);
    const holds = await until(() => [...threads].every((thread) => thread.holds >= mine));
    if (!holds) throw new Error(`an order does not hold in all threads within ${WAIT_MS} ms`);
  }

  function take(thread: Thread, report: Report): void {
    if (report.kind === 'holds') thread.holds = report.number;
    else entries.get(report.id)?.strikes.push({ operation: report.operation, path: report.path });
    wake();
  }

  /** For a thread that starts: what struck before does not strike again. */
  function remaining({ order, strikes, isLifted }: Entry): NumberedOrder[] {
    if (isLifted) return [];
    if (strikes.length === 0 || order.times === undefined) return [order];
    const left = order.times - strikes.length;
    return left <= 0 ? [] : [{ ...order, skip: 0, times: left }];
  }

  const server = createServer((socket) => {
    const thread: Thread = { socket, holds: -1 };
    threads.add(thread);
    socket.setEncoding('utf8').on(
      'data',
      createLineReader((line) => take(thread, JSON.parse(line) as Report)),
    );
    // A service that was killed.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      threads.delete(thread);
      wake();
    });
    send(thread, [...entries.values()].flatMap(remaining));
  });
  server.listen(path).unref();

  return {
    start: { env: { [SOCKET_VARIABLE]: path }, preload: [PRELOAD] },
    async order(order) {
      const id = nextId++;
      const entry: Entry = { order: { ...order, id }, strikes: [], isLifted: false };
      entries.set(id, entry);
      await publish();
      return {
        strikes: entry.strikes,
        struck: (times, withinMs) => until(() => entry.strikes.length >= times, withinMs),
        async lift() {
          entry.isLifted = true;
          await publish();
        },
      };
    },
    async setClock(offsetMs) {
      clockOffsetMs = offsetMs;
      await publish();
    },
    threads: () => threads.size,
    async close() {
      for (const { socket } of threads) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

let shared: DiskControl | undefined;

/** One control for all lives of a run, made with the first call, until the end of the process. Orders name the folders of a life. */
export function sharedDiskControl(): DiskControl {
  if (shared === undefined) {
    const made = createDiskControl();
    shared = made;
    process.once('exit', () => void made.close());
  }
  return shared;
}
