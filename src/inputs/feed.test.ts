import { expect, it, vi } from 'vitest';
import type { Block } from '../service/service.ts';
import { Feed } from './feed.ts';

const MIB = 1024 * 1024;

/** A feed whose blocks are done when the test says so. */
function setUp(reusesMemory = true) {
  const blocks: { readonly block: Block; readonly text: string; readonly done: () => void }[] = [];
  const feed = new Feed({
    intake: (block) =>
      new Promise((done) => void blocks.push({ block, text: block.bytes.toString(), done: () => done() })),
    flushIntervalMs: 1,
    flushBytes: MIB,
    maxInFlightBytes: 16 * MIB,
    reusesMemory,
    onRoom: () => undefined,
    onInFlight: () => undefined,
    onGivenUp: () => undefined,
    clock: Date.now,
  });
  const begun = (count: number) => vi.waitFor(() => expect(blocks).toHaveLength(count));
  const push = async (text: string) => {
    feed.push(Buffer.from(text));
    await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return { feed, blocks, begun, push };
}

it('gathers what comes while two blocks are under way, so that the next one is larger', async () => {
  const { blocks, begun, push } = setUp();
  await push('first\n');
  await begun(1);
  await push('second\n');
  await begun(2);
  for (let i = 0; i < 50; i++) await push(`${i}\n`);
  expect(blocks).toHaveLength(2);
  blocks[0]?.done();
  await begun(3);
  expect(blocks[2]?.text).toBe(Array.from({ length: 50 }, (_, i) => `${i}\n`).join(''));
});

it('closes a block that waits after a second, and keeps little more than its bytes', async () => {
  const { feed, blocks, begun, push } = setUp();
  await push('first\n');
  await push('second\n');
  await begun(2);
  await push('third\n');
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  await push('fourth\n');
  for (const { done } of blocks.slice(0, 2)) done();
  await begun(4);
  expect(blocks.slice(2).map(({ text }) => text)).toEqual(['third\n', 'fourth\n']);
  expect(blocks[2]?.block.bytes.buffer.byteLength).toBeLessThan(MIB);
  for (const { done } of blocks) done();
  await feed.flush();
});

it.each([true, false])('uses the memory of a block again only where it may: %s', async (reusesMemory) => {
  const { feed, blocks, begun, push } = setUp(reusesMemory);
  await push('first\n');
  await begun(1);
  blocks[0]?.done();
  await feed.flush();
  await push('second\n');
  await begun(2);
  expect(blocks[1]?.block.bytes.buffer === blocks[0]?.block.bytes.buffer).toBe(reusesMemory);
  blocks[1]?.done();
  await feed.flush();
});
