import { expect, it } from 'vitest';
import { createLineFilter } from './line-filter.ts';

function filter(pattern: string, text: string) {
  const { block, leftOut } = createLineFilter(pattern)(Buffer.from(text));
  return [block.toString(), leftOut];
}

it.each([
  ['keep', 'keep 1\ndrop\nkeep 2\n', 'keep 1\n\nkeep 2\n', 1],
  ['keep', 'drop\ndrop', '\n', 2],
  ['keep', 'drop\nkeep', '\nkeep', 1],
  ['keep$', 'keep\r\nno\r\n', 'keep\r\n\n', 1],
  ['keep', '\n\r\nno\n', '\n\r\n\n', 1],
  ['keep', '', '', 0],
  ['ü', 'ü \ufffd\n', 'ü \ufffd\n', 0],
])('%j of %j', (pattern, text, kept, leftOut) => expect(filter(pattern, text)).toEqual([kept, leftOut]));

it('keeps bytes that are not UTF-8 as they are', () => {
  const block = Buffer.from([0x6b, 0xff, 0xfe, 0x0a]);
  expect(createLineFilter('k')(block).block).toEqual(block);
});
