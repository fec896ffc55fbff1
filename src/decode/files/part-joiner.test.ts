import { describe, expect, it } from 'vitest';
import { MAX_STATE_BYTES } from './file-reading.ts';
import { MAX_PART_BYTES, PartJoiner } from './part-joiner.ts';

function add(joiner: PartJoiner, stream: string, text: string, isPart: boolean): unknown {
  const joined = joiner.add(stream, Buffer.from(text, 'latin1'), isPart);
  return Buffer.isBuffer(joined) ? joined.toString('latin1') : joined;
}

describe('parts of lines', () => {
  it('are joined by their stream', () => {
    const joiner = new PartJoiner();
    expect(add(joiner, 'stdout', 'whole', false)).toBe('whole');
    expect(add(joiner, 'stdout', 'a', true)).toBeUndefined();
    expect(add(joiner, 'stderr', 'x', true)).toBeUndefined();
    expect(add(joiner, 'stdout', 'b', true)).toBeUndefined();
    expect(add(joiner, 'stdout', 'c', false)).toBe('abc');
    expect(add(joiner, 'stderr', '', false)).toBe('x');
    expect(add(joiner, 'stdout', 'd', false)).toBe('d');
    expect(joiner.state).toBe('');
  });

  it('do not change with the memory that they were read from', () => {
    const joiner = new PartJoiner();
    const bytes = Buffer.from('a');
    joiner.add('stdout', bytes, true);
    bytes.fill('z');
    expect(add(joiner, 'stdout', 'b', false)).toBe('ab');
  });

  it('go on from the state, whatever bytes they have', () => {
    const joiner = new PartJoiner();
    add(joiner, 'stdout', 'a\xe9\0"', true);
    add(joiner, '', 'x', true);
    const next = new PartJoiner(joiner.state);
    expect(next.state).toBe(joiner.state);
    expect(add(next, 'stdout', 'b', false)).toBe('a\xe9\0"b');
    expect(add(next, '', '', false)).toBe('x');
    expect(next.state).toBe('');
  });

  it.each([
    'x',
    '{}',
    '[1]',
    '[["a"]]',
    '[["a",1]]',
    '[["a","YQ==",1]]',
  ])('begin again after a state that is none: %s', (state) => {
    const joiner = new PartJoiner(state);
    expect(joiner.state).toBe('');
    expect(add(joiner, 'a', 'b', false)).toBe('b');
  });

  it('that are too long are refused once, and the line ends with its last part, also from the state', () => {
    const joiner = new PartJoiner();
    expect(add(joiner, 'stdout', 'a'.repeat(MAX_PART_BYTES), true)).toBeUndefined();
    expect(joiner.state.length).toBeLessThanOrEqual(MAX_STATE_BYTES);
    expect(add(joiner, 'stdout', 'b', true)).toEqual({
      reason: `a line in parts is longer than ${MAX_PART_BYTES} bytes`,
    });
    expect(add(joiner, 'stdout', 'c', true)).toBeUndefined();
    const next = new PartJoiner(joiner.state);
    expect(add(next, 'stdout', 'c', true)).toBeUndefined();
    expect(add(next, 'stdout', 'd', false)).toBeUndefined();
    expect(add(next, 'stdout', 'e', false)).toBe('e');
    expect(next.state).toBe('');
  });

  it('may have a last part of any length', () => {
    const joiner = new PartJoiner();
    add(joiner, 'stdout', 'a', true);
    expect(add(joiner, 'stdout', 'b'.repeat(100_000), false)).toHaveLength(100_001);
  });

  it('wait in at most 64 KiB, whatever the streams are', () => {
    const joiner = new PartJoiner();
    const reasons = Array.from({ length: 100 }, (_, i) => add(joiner, `s${i}`, 'a'.repeat(10_000), true));
    expect(reasons.filter((reason) => reason !== undefined).length).toBeGreaterThan(90);
    expect(joiner.state.length).toBeLessThanOrEqual(MAX_STATE_BYTES);
    const empty = new PartJoiner();
    for (let i = 0; i < 100_000; i++) add(empty, `s${i}`, '', true);
    for (let i = 0; i < 1_000; i++) add(empty, `${i}${'n'.repeat(1_000)}`, 'a', true);
    expect(empty.state.length).toBeLessThanOrEqual(MAX_STATE_BYTES);
    const odd = new PartJoiner();
    for (let i = 0; i < 16; i++) add(odd, String.fromCharCode(i).repeat(99), 'a'.repeat(MAX_PART_BYTES / 16), true);
    expect(Buffer.byteLength(odd.state)).toBeGreaterThan(MAX_PART_BYTES);
    expect(Buffer.byteLength(odd.state)).toBeLessThanOrEqual(MAX_STATE_BYTES);
  });
});
