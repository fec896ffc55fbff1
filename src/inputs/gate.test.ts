import { describe, expect, it } from 'vitest';
import { createAsideGate, createGate } from './gate.ts';
import type { WhenFull } from './inputs.ts';

function setUp(whenFull: WhenFull) {
  const state = { isFull: false, isOverfull: false };
  const pushed: string[] = [];
  const aside: string[] = [];
  let dropped = 0;
  const feed = {
    push: (frames: Buffer) => pushed.push(frames.toString()) > 0 && !state.isFull,
    putAside: ({ reason }: { reason: string }) => aside.push(reason) > 0 && !state.isFull,
    get isFull() {
      return state.isFull;
    },
    get isOverfull() {
      return state.isOverfull;
    },
  };
  const onDropped = (frames: number) => {
    dropped += frames;
  };
  const framesOf = (frames: Buffer) => Array.from(frames.toString(), (frame) => Buffer.from(frame));
  const take = createGate({ feed, framesOf, whenFull, onDropped });
  const putAside = createAsideGate({ feed, whenFull, onDropped });
  return { state, pushed, aside, take, putAside, dropped: () => dropped };
}

const unread = { beginning: Buffer.from('x'), reason: 'why' };

describe('the gate of an input', () => {
  it('that waits takes all, and says when the sender must wait', () => {
    const { state, pushed, aside, take, putAside, dropped } = setUp('wait');
    expect([take(Buffer.from('ab')), putAside(unread)]).toEqual([true, true]);
    state.isFull = true;
    expect([take(Buffer.from('cd')), putAside(unread)]).toEqual([false, false]);
    expect([pushed, aside, dropped()]).toEqual([['ab', 'cd'], ['why', 'why'], 0]);
  });

  it.each<WhenFull>(['drop', { sampleOneIn: 3 }])('that does not wait (%j) never makes a sender wait', (whenFull) => {
    const { state, pushed, aside, take, putAside, dropped } = setUp(whenFull);
    expect([take(Buffer.from('ab')), putAside(unread)]).toEqual([true, true]);
    state.isFull = true;
    expect([take(Buffer.from('cdefgh')), putAside(unread)]).toEqual([true, true]);
    const kept = whenFull === 'drop' ? [] : ['c', 'f'];
    expect([pushed, aside]).toEqual([['ab', ...kept], ['why']]);
    expect(dropped()).toBe(6 - kept.length + 1);
    state.isOverfull = true;
    take(Buffer.from('ijk'));
    expect(pushed).toHaveLength(1 + kept.length);
  });
});
