import { describe, expect, it } from 'vitest';
import type { Framing } from './decode.ts';
import { createBoundary } from './framing.ts';

/** The frames of `text`, in pieces of `size` bytes. `within`: it begins in the middle of a file. */
function cut(framing: Framing, text: string, size = 1_000_000, within = false): string[] {
  const boundary = createBoundary(framing, within);
  const bytes = Buffer.from(text);
  const ends: number[] = [];
  for (let from = 0; from < bytes.length; from += size) {
    const piece = bytes.subarray(from, from + size);
    for (let at = boundary.next(piece, 0); at >= 0; at = boundary.next(piece, at + 1)) ends.push(from + at);
  }
  boundary.end();
  // The bracket that opens an array ends no element.
  const start = framing === 'elements' && !within ? ends.shift() : -1;
  return [...ends, bytes.length].map((end, i) =>
    bytes.toString('utf8', (i === 0 ? (start ?? -1) : (ends[i - 1] ?? 0)) + 1, end),
  );
}

it('lines end at newlines, however the bytes come', () => {
  expect(cut('lines', 'a\n\nb\r\nc')).toEqual(['a', '', 'b\r', 'c']);
  for (let size = 1; size < 5; size++) expect(cut('lines', 'a\n\nb\r\nc', size)).toEqual(['a', '', 'b\r', 'c']);
});

describe('rows', () => {
  it('keep a line end inside quotes', () => {
    const rows = ['a,"b\nc",d\r', 'e,"f""\n",g', ''];
    for (let size = 1; size < 9; size++) expect(cut('rows', rows.join('\n'), size)).toEqual(rows);
  });

  it('have no quote that opens in the middle of a value', () => {
    expect(cut('rows', 'a,5" disk,c\nd,e,f')).toEqual(['a,5" disk,c', 'd,e,f']);
  });

  it('are found again where the present one is left', () => {
    const boundary = createBoundary('rows', false);
    expect(boundary.next(Buffer.from('"a\nb'), 0)).toBe(-1);
    boundary.reset();
    expect(boundary.next(Buffer.from('c\n'), 0)).toBe(1);
  });
});

describe('elements', () => {
  const array = '[ {"a":[1,{"b":"],\\"}"}]} ,\n{"c":"\\\\"},"d", 5 ]\n';
  const elements = ['{"a":[1,{"b":"],\\"}"}]}', '{"c":"\\\\"}', '"d"', '5', ''];
  const trimmed = (text: string, size?: number, within?: boolean) =>
    cut('elements', text, size, within).map((element) => element.trim());

  it('end at the commas directly in the array, however the bytes come', () => {
    for (let size = 1; size < 20; size++) expect(trimmed(array, size)).toEqual(elements);
  });

  it('are none in an empty array', () => {
    expect(trimmed(' [ ] ')).toEqual(['', '']);
  });

  it('are of one array alone', () => {
    expect(() => cut('elements', '{"a":1}')).toThrow('not a JSON array');
    expect(() => cut('elements', '[1] [2]')).toThrow('text after the end of the JSON array');
  });

  it('are not cut off', () => {
    expect(() => cut('elements', '[{"a":1},{"b"')).toThrow('the JSON array does not end');
  });

  it('go on in the middle of an array', () => {
    expect(trimmed(array.slice(array.indexOf(',\n') + 1), 5, true)).toEqual(elements.slice(1));
  });

  it('may end where the file goes on after the last one', () => {
    expect(cut('elements', '\n', 10, true)).toEqual(['\n']);
    expect(() => cut('elements', '{"a":1}', 10, true)).toThrow('the JSON array does not end');
  });
});
