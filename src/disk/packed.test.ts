import { expect, it } from 'vitest';
import { createPackedSource } from './packed.ts';

async function* piecesOf(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

it('gives bytes again that were given back, without a copy', async () => {
  const source = createPackedSource(piecesOf('0123456789'));
  const piece = (await source.next()) ?? Buffer.alloc(0);
  source.unread(piece.subarray(4));
  expect(source.offset).toBe(4);
  const again = (await source.next()) ?? Buffer.alloc(0);
  expect([again.toString(), again.buffer === piece.buffer, again.byteOffset]).toEqual([
    '456789',
    true,
    piece.byteOffset + 4,
  ]);
  source.unread(Buffer.alloc(0));
  expect([await source.next(), source.offset]).toEqual([undefined, 10]);
});

it('looks ahead over several pieces, and takes back what was given before that', async () => {
  const source = createPackedSource(piecesOf('01', '23', '45'));
  const piece = (await source.next()) ?? Buffer.alloc(0);
  expect((await source.peek(3)).toString()).toBe('234');
  source.unread(piece);
  expect((await source.peek(9)).toString()).toBe('012345');
  // Equal bytes of other memory.
  expect((await source.next())?.toString()).toBe('012345');
  source.unread(Buffer.from('45'));
  expect([(await source.next())?.toString(), source.offset]).toEqual(['45', 6]);
});
