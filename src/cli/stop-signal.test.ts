import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { type StopSignal, stopSignal } from './stop-signal.ts';

function createSource() {
  const events = new EventEmitter<Record<StopSignal | 'removeListener', []>>();
  const exits: number[] = [];
  let removed = 0;
  events.on('removeListener', () => removed++);
  const source = Object.assign(events, { exit: (code: number) => void exits.push(code) });
  return { source, exits, removed: () => removed };
}

describe('the signal to stop', () => {
  it.each([
    ['SIGTERM', 'SIGTERM', 143],
    ['SIGTERM', 'SIGINT', 130],
    ['SIGINT', 'SIGTERM', 143],
  ] as const)('%s begins the stop, and %s after it exits with %i', async (first, second, code) => {
    const { source, exits } = createSource();
    const signal = stopSignal(source);
    source.emit(first);
    expect(await signal).toBe(first);
    expect(exits).toEqual([]);
    source.emit(second);
    expect(exits).toEqual([code]);
  });

  // Found by seed 8, life 2, round 3 of the reliability harness: between two listeners the second SIGTERM ended the process.
  it('has a listener at every moment', () => {
    const { source, removed } = createSource();
    void stopSignal(source);
    source.emit('SIGTERM');
    source.emit('SIGTERM');
    expect(removed()).toBe(0);
    expect([source.listenerCount('SIGTERM'), source.listenerCount('SIGINT')]).toEqual([1, 1]);
  });
});
