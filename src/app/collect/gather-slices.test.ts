import { expect, it, vi } from 'vitest';
import { BLOCK_BYTES, type Slice } from '../../inputs/files/files.ts';
import { sliceOf } from '../files/slice-fixture.case.ts';
import { gatherSlices } from './gather-slices.ts';

function setup(lines: number, intervalMs: number, slices = 100) {
  const delivered: string[] = [];
  const gather = gatherSlices(
    async ({ id }: Slice) => {
      delivered.push(id);
      if (id === 'bad') throw new Error('no');
    },
    { lines, slices, intervalMs },
  );
  const give = (id: string, frames = 1) => gather.deliver(sliceOf(Array(frames).fill('x\n'), { id }));
  return { delivered, gather, give };
}

it('slices wait until so many lines have come together, and go in their order', async () => {
  const { delivered, give } = setup(5, 60_000);
  const first = [give('a', 2), give('b', 2)];
  expect(delivered).toEqual([]);
  await Promise.all([...first, give('c')]);
  expect(delivered).toEqual(['a', 'b', 'c']);
  await give('d', 9);
  expect(delivered.at(-1)).toBe('d');
});

it('or until a block of bytes has, so that long lines do not fill the bytes in flight', async () => {
  const { delivered, gather } = setup(1_000, 60_000);
  const half = Buffer.alloc(BLOCK_BYTES / 2, 'x');
  await Promise.all(['a', 'b'].map((id) => gather.deliver(sliceOf(['x\n'], { id, bytes: half }))));
  expect(delivered).toEqual(['a', 'b']);
});

it('or until so many slices wait, however short they are', async () => {
  const { delivered, give } = setup(1_000, 60_000, 3);
  const first = [give('a'), give('b')];
  expect(delivered).toEqual([]);
  await Promise.all([...first, give('c')]);
  expect(delivered).toEqual(['a', 'b', 'c']);
});

it('or until the first has waited long enough', async () => {
  vi.useFakeTimers();
  try {
    const { delivered, give } = setup(5, 1_000);
    const both = [give('a'), give('b')];
    vi.advanceTimersByTime(999);
    expect(delivered).toEqual([]);
    vi.advanceTimersByTime(1);
    await Promise.all(both);
    expect(delivered).toEqual(['a', 'b']);
  } finally {
    vi.useRealTimers();
  }
});

it('a stop lets nothing wait, and a delivery that fails fails its slice alone', async () => {
  const { delivered, gather, give } = setup(5, 60_000);
  const both = Promise.allSettled([give('bad'), give('b')]);
  gather.flush();
  expect((await both).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  await give('c');
  expect(delivered).toEqual(['bad', 'b', 'c']);
});
