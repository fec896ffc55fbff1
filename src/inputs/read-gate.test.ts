import { describe, expect, it } from 'vitest';
import { ReadGate } from './read-gate.ts';
import { UnfinishedFrames } from './unfinished-frames.ts';

const MIB = 1024 * 1024;

function connection() {
  const calls: string[] = [];
  return { calls, pause: () => void calls.push('pause'), resume: () => void calls.push('resume') };
}

describe('the read gate', () => {
  it('pauses those that have sent, and the quiet ones when they do', () => {
    const [busy, quiet, late] = [connection(), connection(), connection()];
    const gate = new ReadGate([busy, quiet, late]);
    expect(gate.brought(busy, 10)).toBe(true);
    gate.close();
    gate.close();
    expect(gate.openSince).toBeUndefined();
    expect([busy.calls, quiet.calls]).toEqual([['pause'], []]);
    expect(gate.brought(quiet, 10)).toBe(false);
    gate.add(late);
    gate.open();
    for (const { calls } of [busy, quiet, late]) expect(calls).toEqual(['pause', 'resume']);
    expect(gate.openSince).toBeDefined();
  });

  it('pauses all when the quiet ones have brought 1 MiB together', () => {
    const all = [connection(), connection(), connection()] as const;
    const gate = new ReadGate(all);
    gate.close();
    gate.brought(all[0], MIB - 1);
    expect(all[2].calls).toEqual([]);
    gate.brought(all[1], 1);
    expect(all.map(({ calls }) => calls)).toEqual([['pause'], ['pause'], ['pause']]);
  });

  it('does not resume one that has gone', () => {
    const gone = connection();
    const gate = new ReadGate([gone]);
    gate.brought(gone, 1);
    gate.close();
    gate.remove(gone);
    gate.open();
    expect(gone.calls).toEqual(['pause']);
  });
});

describe('unfinished frames', () => {
  it('beyond the limit name the connection whose frame was begun first, until they are below it', () => {
    const frames = new UnfinishedFrames<{ unfinished: number; begunAt: number }>(100);
    const [first, second] = [
      { unfinished: 10, begunAt: 1 },
      { unfinished: 90, begunAt: 2 },
    ];
    frames.note(second);
    frames.note(first);
    expect(frames.excess()).toBeUndefined();
    second.unfinished = 91;
    frames.note(second);
    expect(frames.excess()).toBe(first);
    first.unfinished = 0;
    frames.note(first);
    expect(frames.excess()).toBeUndefined();
    second.unfinished = 101;
    frames.note(second);
    expect(frames.excess()).toBe(second);
  });
});
