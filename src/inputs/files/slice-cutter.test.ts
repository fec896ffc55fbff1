import { describe, expect, it } from 'vitest';
import { createBoundary } from '../../decode/framing.ts';
import { BLOCK_BYTES, MAX_FRAME_BYTES } from './files.ts';
import { type Cut, type CutLimits, SliceCutter } from './slice-cutter.ts';

const cutterOf = (framing: 'lines' | 'rows' | 'elements', from = 0) =>
  new SliceCutter({ framing, createBoundary, from });

/** All slices of a content that comes in pieces of this length. */
function cutAll(
  content: Buffer,
  pieceBytes: number,
  framing: 'lines' | 'rows' | 'elements',
  limits?: CutLimits,
): Cut[] {
  const cutter = cutterOf(framing);
  const cuts: Cut[] = [];
  for (let at = 0; at < content.length; at += pieceBytes) {
    cutter.add(content.subarray(at, at + pieceBytes));
    for (let cut = cutter.next(limits); cut !== undefined; cut = cutter.next(limits)) cuts.push(cut);
  }
  for (let cut = cutter.last(); cut !== undefined; cut = cutter.next(limits) ?? cutter.last()) cuts.push(cut);
  return cuts;
}

const bounds = (cuts: readonly Cut[]) => cuts.map(({ from, to, isBorder }) => [from, to, isBorder]);
const line = (bytes: number) => `${'x'.repeat(bytes - 1)}\n`;

describe('SliceCutter', () => {
  it('ends slices at the first end of a frame at or behind a border of blocks', () => {
    const content = Buffer.from(line(100_000).repeat(8));
    expect(bounds(cutAll(content, 10_007, 'lines'))).toEqual([
      [0, 300_000, true],
      [300_000, 600_000, true],
      [600_000, 800_000, true],
    ]);
    const exact = Buffer.from(line(BLOCK_BYTES).repeat(2));
    expect(bounds(cutAll(exact, 4_096, 'lines'))).toEqual([
      [0, BLOCK_BYTES, true],
      [BLOCK_BYTES, 2 * BLOCK_BYTES, true],
    ]);
  });

  it('finds the same slices in pieces of any length, in all framings', () => {
    const texts = {
      lines: Array.from({ length: 9_000 }, (_, i) => `${i} ${'y'.repeat(i % 97)}\n`).join(''),
      rows: Array.from({ length: 9_000 }, (_, i) => `${i},"a\nb ""q"" ${'y'.repeat(i % 97)}"\n`).join(''),
      elements: `[${Array.from({ length: 9_000 }, (_, i) => `{"a":[${i},"]${'y'.repeat(i % 97)}"]}`).join(',\n')}]\n`,
    };
    for (const framing of ['lines', 'rows', 'elements'] as const) {
      const content = Buffer.from(texts[framing]);
      const whole = cutAll(content, content.length, framing);
      expect(whole.length).toBeGreaterThan(1);
      expect(Buffer.concat(whole.map(({ bytes }) => bytes)).equals(content)).toBe(true);
      for (const pieceBytes of [997, 65_536]) expect(cutAll(content, pieceBytes, framing)).toEqual(whole);
    }
  });

  it('ends slices after a number of frames, and at borders all the same', () => {
    const content = Buffer.from(line(100_000).repeat(5));
    expect(bounds(cutAll(content, 65_536, 'lines', { frames: 2 }))).toEqual([
      [0, 200_000, false],
      [200_000, 300_000, true],
      [300_000, 500_000, false],
    ]);
  });

  it('cuts exactly where it is told', () => {
    const cutter = cutterOf('lines');
    cutter.add(Buffer.from('a\nb\nc\nd'));
    expect(cutter.next({ at: 4 })?.bytes.toString()).toBe('a\nb\n');
    expect(cutter.next({ at: 9 })).toBeUndefined();
    cutter.add(Buffer.from('\ne\nf\n'));
    expect(cutter.next({ at: 9 })?.bytes.toString()).toBe('c\nd\ne');
  });

  it('gives the whole frames that there are, and keeps the rest', () => {
    for (const framing of ['lines', 'rows'] as const) {
      const cutter = cutterOf(framing);
      cutter.add(Buffer.from('a\nb\nc'));
      expect(cutter.next()).toBeUndefined();
      expect(cutter.partial()).toMatchObject({ from: 0, to: 4, isBorder: false });
      expect(cutter.next()).toBeUndefined();
      expect(cutter.partial()).toBeUndefined();
      cutter.add(Buffer.from('d\n'));
      expect(cutter.next()).toBeUndefined();
      expect(cutter.partial()?.bytes.toString()).toBe('cd\n');
    }
  });

  it('puts aside a frame that is too long, with its beginning, in bounded memory', () => {
    for (const framing of ['lines', 'rows'] as const) {
      const long = Buffer.alloc(3 * MAX_FRAME_BYTES, 'z');
      const content = Buffer.concat([Buffer.from('a\nb\n'), long, Buffer.from('\nc\n')]);
      for (const pieceBytes of [65_536, content.length]) {
        const [first, second] = cutAll(content, pieceBytes, framing);
        expect(first?.bytes.length).toBe(4);
        expect(first?.to).toBe(4 + long.length + 1);
        expect(first?.tooLong?.bytes).toBe(long.length + 1);
        expect(first?.tooLong?.beginning.length).toBe(64 * 1024);
        expect(second?.bytes.toString()).toBe('c\n');
      }
    }
  });

  it('takes a frame of just the greatest length', () => {
    const content = Buffer.concat([Buffer.from('a\n'), Buffer.alloc(MAX_FRAME_BYTES, 'z'), Buffer.from('\n')]);
    for (const framing of ['lines', 'rows'] as const) {
      expect(cutAll(content, 65_536, framing)[0]?.tooLong).toBeUndefined();
      const longer = Buffer.concat([Buffer.from('a\nz'), content.subarray(2)]);
      expect(cutAll(longer, 65_536, framing)[0]?.tooLong?.bytes).toBe(MAX_FRAME_BYTES + 2);
    }
  });

  it('does not take the byte order mark for a part of the first field', () => {
    const cutter = cutterOf('rows');
    cutter.add(Buffer.from('\ufeff"a\nb"\nc\n'));
    expect(cutter.next({ frames: 1 })?.bytes.toString()).toBe('\ufeff"a\nb"\n');
    const array = cutterOf('elements');
    array.add(Buffer.from('\ufeff[1,2]'));
    expect(array.next()).toBeUndefined();
    expect(array.last()?.bytes.toString()).toBe('\ufeff[1,2]');
  });

  it('gives the elements before the place where an array cannot be read on, and then says why', () => {
    const cutter = cutterOf('elements');
    cutter.add(Buffer.from('[1,2] x'));
    expect(cutter.next()?.bytes.toString()).toBe('[1,2]');
    expect(() => cutter.next()).toThrow('text after the end of the JSON array');
    const open = cutterOf('elements');
    open.add(Buffer.from('[1,2'));
    expect(open.next()).toBeUndefined();
    expect(open.last()?.bytes.toString()).toBe('[1,');
    expect(open.next()).toBeUndefined();
    expect(() => open.last()).toThrow('the JSON array does not end');
  });
});
