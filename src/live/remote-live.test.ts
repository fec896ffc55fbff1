import { MessageChannel } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createChannel } from '../runtime/channel.ts';
import type { Live, LiveEvent, LiveSnapshot, TailFilter, TailPiece } from './live.ts';
import { createRemoteLive, type LiveCalls, type LiveListenerCalls, serveLive } from './remote-live.ts';

const SNAPSHOT = { stats: { time: 1 }, history: [], refusals: [] } as unknown as LiveSnapshot;
const EVENT: LiveEvent = { kind: 'refusals', refusals: [{ time: 1, status: 400, reason: 'r', requestId: 'x' }] };

/** A Live at one end of a real channel, and the remote one at the other. */
function connect() {
  const listeners = new Set<(event: LiveEvent) => void>();
  const tails = new Map<TailFilter, (piece: TailPiece) => void>();
  const live: Live = {
    snapshot: async () => SNAPSHOT,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    tail(filter, listener) {
      tails.set(filter, listener);
      return () => void tails.delete(filter);
    },
  };
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  const owner = createChannel<LiveListenerCalls>(port1);
  const served = serveLive(live, owner.remote);
  owner.answer<LiveCalls>(served.handlers);
  const listener = createChannel<LiveCalls>(port2);
  const remote = createRemoteLive(listener.remote);
  listener.answer<LiveListenerCalls>(remote.handlers);
  return { live: remote.live, served, listeners, tails };
}

describe('a Live in another thread', () => {
  test('gives the snapshot', async () => {
    expect(await connect().live.snapshot()).toEqual(SNAPSHOT);
  });

  test('is subscribed to once, however many listen, and no longer than they do', async () => {
    const { live, listeners } = connect();
    const heard: unknown[] = [];
    const leave = [
      live.subscribe((event) => heard.push(['a', event])),
      live.subscribe((event) => heard.push(['b', event])),
    ];
    await expect.poll(() => listeners.size).toBe(1);
    for (const listener of listeners) listener(EVENT);
    await expect
      .poll(() => heard)
      .toEqual([
        ['a', EVENT],
        ['b', EVENT],
      ]);
    leave[0]?.();
    leave[0]?.();
    await live.snapshot();
    expect(listeners.size).toBe(1);
    leave[1]?.();
    await expect.poll(() => listeners.size).toBe(0);
    live.subscribe(() => undefined);
    await expect.poll(() => listeners.size).toBe(1);
  });

  test('tails, each by its own filter', async () => {
    const { live, tails } = connect();
    const heard: unknown[] = [];
    const end = live.tail({ path: '/a' }, (piece) => heard.push(['a', piece]));
    live.tail({ q: 'x' }, (piece) => heard.push(['x', piece]));
    await expect.poll(() => [...tails.keys()]).toEqual([{ path: '/a' }, { q: 'x' }]);
    for (const [filter, tell] of tails) tell({ lines: [JSON.stringify(filter)], leftOut: 1 });
    await expect
      .poll(() => heard)
      .toEqual([
        ['a', { lines: ['{"path":"/a"}'], leftOut: 1 }],
        ['x', { lines: ['{"q":"x"}'], leftOut: 1 }],
      ]);
    end();
    await expect.poll(() => tails.size).toBe(1);
  });

  test('is sent no more than it can take; what is left out is told', async () => {
    const { live, tails } = connect();
    const heard: TailPiece[] = [];
    live.tail({}, (piece) => heard.push(piece));
    await expect.poll(() => tails.size).toBe(1);
    const [tell] = tails.values();
    // All in one turn of the event loop: nothing is acknowledged meanwhile.
    for (let i = 0; i < 20; i++) tell?.({ lines: ['a', 'b'], leftOut: 1 });
    await expect.poll(() => heard.length).toBe(8);
    await live.snapshot();
    tell?.({ lines: ['c'], leftOut: 0 });
    await expect.poll(() => heard.at(-1)).toEqual({ lines: ['c'], leftOut: 12 * 3 });
    expect(heard.reduce((sum, { lines, leftOut }) => sum + lines.length + leftOut, 0)).toBe(20 * 3 + 1);
  });

  test('is forgotten with its thread', async () => {
    const { live, served, listeners, tails } = connect();
    live.subscribe(() => undefined);
    live.tail({}, () => undefined);
    await expect.poll(() => [listeners.size, tails.size]).toEqual([1, 1]);
    served.close();
    expect([listeners.size, tails.size]).toEqual([0, 0]);
    // What was on its way comes too late.
    live.tail({ q: 'late' }, () => undefined);
    await live.snapshot();
    expect(tails.size).toBe(0);
  });
});
