import { expect, test } from 'vitest';
import { addPiece, type Chunk, mergeByHour, type Pieces } from './chunk.ts';

function chunk(hour: number, count: number, text: string): Chunk {
  return { stream: 'access', hour, count, lines: Buffer.from(text) };
}

test('merges chunks into one for each hour, in the order in which the hours first came', () => {
  const merged = mergeByHour([chunk(5, 1, 'a\n'), chunk(3, 2, 'b\nc\n'), chunk(5, 1, 'd\n'), chunk(4, 1, 'e\n')]);
  expect(merged.map(({ hour, count, lines }) => [hour, count, lines.toString()])).toEqual([
    [5, 2, 'a\nd\n'],
    [3, 2, 'b\nc\n'],
    [4, 1, 'e\n'],
  ]);
});

test('does not copy an hour that has one chunk', () => {
  const only = chunk(5, 1, 'a\n');
  expect(mergeByHour([only])[0]?.lines).toBe(only.lines);
});

test('puts a line together that came in parts', () => {
  const [merged] = mergeByHour([chunk(5, 1, 'a'), chunk(5, 0, '\n'), chunk(5, 1, 'b'), chunk(5, 0, '\n')]);
  expect([merged?.count, merged?.lines.toString()]).toEqual([2, 'a\nb\n']);
});

test('merges nothing to nothing', () => {
  expect(mergeByHour([])).toEqual([]);
});

test('collects lines by any key without copying them', () => {
  const pieces = new Map<string, Pieces>();
  const [a, b, c] = [Buffer.from('a\n'), Buffer.from('bb\n'), Buffer.from('c\n')];
  addPiece(pieces, 'x', a, 1);
  addPiece(pieces, 'y', b, 1);
  addPiece(pieces, 'x', c, 1);
  expect([...pieces]).toEqual([
    ['x', { buffers: [a, c], bytes: 4, count: 2 }],
    ['y', { buffers: [b], bytes: 3, count: 1 }],
  ]);
  expect(pieces.get('x')?.buffers[0]).toBe(a);
});
