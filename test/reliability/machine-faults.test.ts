import { expect, it } from 'vitest';
import { BIT_FLIPS } from './faults/bit-flips.ts';
import { clockJumps } from './faults/clock.ts';
import { fewDescriptors, noDescriptors } from './faults/descriptors.ts';
import { createDiskFaults } from './faults/disk-errors.ts';
import { diskFull, inodesFull } from './faults/full-disk.ts';
import { slowDisk } from './faults/slow-disk.ts';
import { runKeptLife } from './kept-life.ts';
import type { RoundResult } from './reliability.ts';

/* Each fault of the machine in at least one round with a fixed seed. */

const notesOf = (rounds: readonly RoundResult[]): string => rounds.flatMap(({ notes }) => notes).join('\n');

it('keeps every promise when the disk fails, lies or is slow, and when the clock jumps', async () => {
  const rounds = await runKeptLife({
    seed: 1,
    faults: [...createDiskFaults(['all']).map((fault) => [fault]), [slowDisk], [clockJumps]],
  });
  const struck = [...notesOf(rounds).matchAll(/struck (\d+)/g)].map((match) => Number(match[1]));
  expect(struck).toHaveLength(7);
  // A round in which nothing was struck shows nothing.
  expect(Math.min(...struck)).toBeGreaterThan(0);
});

it('keeps every promise when the disk is full', async () => {
  const rounds = await runKeptLife({ seed: 2, faults: [[diskFull], [diskFull]] });
  expect(notesOf(rounds)).toMatch(/^size: \d+ left, 3 refused/);
});

it('keeps every promise when no file can be made', async () => {
  await runKeptLife({ seed: 3, faults: [[inodesFull]] });
});

it('keeps every promise when descriptors are used up', async () => {
  await runKeptLife({ seed: 4, faults: [[noDescriptors], [fewDescriptors]] });
});

it('loses at most the records of damaged bytes, and says where they are', async () => {
  const rounds = await runKeptLife({ seed: 5, faults: BIT_FLIPS.map((fault) => [fault]) });
  expect(notesOf(rounds).match(/ of \d+ after SIG/g)).toHaveLength(BIT_FLIPS.length);
});
