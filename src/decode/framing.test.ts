import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Framing, MAX_FRAME_BYTES } from './decode.ts';
import { createBoundary, createFramer, type Frame } from './framing.ts';

/** The frames of `text`, pushed in pieces of `size` bytes. */
function cut(framing: Framing, text: string, size = 1_000_000, options = {}): Frame[] {
  const framer = createFramer(framing, options);
  const bytes = Buffer.from(text);
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += size) frames.push(...framer.push(bytes.subarray(at, at + size)));
  return [...frames, ...framer.end()];
}

function texts(frames: readonly Frame[]): string[] {
  return frames.map(({ bytes }) => bytes.toString());
}

describe('lines', () => {
  it('cuts at newlines, skips blank lines and counts them', () => {
    const frames = cut('lines', 'a\n\n  \nb\nc');
    expect(frames.map(({ bytes, number, end }) => [bytes.toString(), number, end])).toEqual([
      ['a', 1, 2],
      ['b', 4, 8],
      ['c', 5, 9],
    ]);
  });

  it('leaves a byte order mark out and counts its bytes', () => {
    expect(cut('lines', '\ufeffa\nb\n').map(({ bytes, end }) => [bytes.toString(), end])).toEqual([
      ['a', 5],
      ['b', 7],
    ]);
  });

  it('goes on in the middle of a file with its offset and number', () => {
    expect(cut('lines', 'x\n', 10, { offset: 100, number: 7 })).toMatchObject([{ number: 8, end: 102 }]);
  });

  it('gives the same frames however the bytes come', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'é', '\n', '\r\n', ' ')),
        fc.integer({ min: 1, max: 7 }),
        (parts, size) => {
          expect(cut('lines', parts.join(''), size)).toEqual(cut('lines', parts.join('')));
        },
      ),
    );
  });

  it('marks a line that is too long, keeps only its beginning and goes on after it', () => {
    const frames = cut('lines', `a\n${'x'.repeat(MAX_FRAME_BYTES + 1)}\nb\n`, 100_000);
    expect(frames.map(({ bytes, number, tooLong }) => [bytes.length, number, tooLong])).toEqual([
      [1, 1, false],
      [MAX_FRAME_BYTES, 2, true],
      [1, 3, false],
    ]);
  });

  it('takes a line of just the longest length as it is', () => {
    const [frame] = cut('lines', 'x'.repeat(MAX_FRAME_BYTES), 100_000);
    expect(frame).toMatchObject({ tooLong: false, end: MAX_FRAME_BYTES });
  });
});

describe('rows', () => {
  it('keeps a line end inside quotes in its row', () => {
    expect(texts(cut('rows', 'a,"b\nc",d\r\ne,"f""\n",g\n', 3))).toEqual(['a,"b\nc",d\r', 'e,"f""\n",g']);
  });

  it('does not open a quote in the middle of a value', () => {
    expect(texts(cut('rows', 'a,5" disk,c\nd,e,f\n'))).toEqual(['a,5" disk,c', 'd,e,f']);
  });

  it('finds rows again after a quote that is never closed', () => {
    const frames = cut('rows', `a\n"${'b,c\n'.repeat(MAX_FRAME_BYTES / 2)}`, 100_000);
    expect(frames.slice(0, 3).map(({ tooLong }) => tooLong)).toEqual([false, true, false]);
    expect(texts(frames.slice(-1))).toEqual(['b,c']);
  });
});

describe('elements', () => {
  const array = '[ {"a":[1,{"b":"],\\"}"}]} ,\n{"c":"\\\\"},"d", 5 ]\n';

  it('cuts at the commas directly in the array', () => {
    const elements = texts(cut('elements', array)).map((text) => text.trim());
    expect(elements).toEqual(['{"a":[1,{"b":"],\\"}"}]}', '{"c":"\\\\"}', '"d"', '5']);
  });

  it('numbers them from 1 and gives the same however the bytes come', () => {
    expect(cut('elements', array).map(({ number }) => number)).toEqual([1, 2, 3, 4]);
    for (let size = 1; size < 20; size++) expect(cut('elements', array, size)).toEqual(cut('elements', array));
  });

  it('has none in an empty array', () => {
    expect(cut('elements', ' [ ] ')).toEqual([]);
  });

  it('refuses what is not one array', () => {
    expect(() => cut('elements', '{"a":1}')).toThrow('not a JSON array');
    expect(() => cut('elements', '[1] [2]')).toThrow('text after the end of the JSON array');
  });

  it('refuses an array that is cut off', () => {
    expect(() => cut('elements', '[{"a":1},{"b"')).toThrow('the JSON array does not end');
  });

  it('goes on in the middle of an array', () => {
    const rest = array.slice(array.indexOf(',\n') + 1);
    const frames = cut('elements', rest, 5, { offset: 100, number: 1 });
    expect(frames.map(({ number }) => number)).toEqual([2, 3, 4]);
  });

  it('may end where it goes on after the last element', () => {
    expect(cut('elements', '\n', 10, { offset: 100, number: 7 })).toEqual([]);
    expect(() => cut('elements', '{"a":1}', 10, { offset: 100, number: 7 })).toThrow('the JSON array does not end');
  });
});

describe('a boundary', () => {
  it('gives the place of each delimiter, over pieces', () => {
    const rows = createBoundary('rows', false);
    expect(rows.next(Buffer.from('a,"b'), 0)).toBe(-1);
    const piece = Buffer.from('\n",c\nd\n');
    expect(rows.next(piece, 0)).toBe(4);
    expect(rows.next(piece, 5)).toBe(6);
    expect(rows.next(piece, 7)).toBe(-1);
  });
});
