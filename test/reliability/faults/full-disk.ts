import { execFile } from 'node:child_process';
import { readdir, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { Random } from '../../support/random.ts';
import type { Fault, Round } from '../reliability.ts';
import { DISK_ERRORS } from './disk-orders.ts';
import { awaitReady, sendUntilRefused } from './probe.ts';

/*
 * A real file system that is full: the folder of a life is a tmpfs, which is made as small as what is on it, and large again. It is
 * mounted by root; prepare says so where it cannot be.
 */

const run = promisify(execFile);

const LARGE = { size: '1g', nr_inodes: '100000' };
const TRIES = 20;

async function mountSmall(folder: string): Promise<() => Promise<void>> {
  const options = Object.entries(LARGE).map(([name, value]) => `${name}=${value}`);
  await run('mount', ['-t', 'tmpfs', '-o', options.join(','), 'tmpfs', folder]).catch((cause: unknown) => {
    throw new Error(`cannot mount a tmpfs on folder=${folder}: run as root, with CAP_SYS_ADMIN`, { cause });
  });
  return async () => {
    await run('umount', ['--lazy', folder]);
  };
}

/** Leaves `free` of a resource. The service may take some of it between the reading and the change: then again. */
async function shrink(folder: string, { name, free }: { name: 'size' | 'nr_inodes'; free: number }): Promise<void> {
  for (let left = TRIES; ; left--) {
    const { blocks, bfree, bsize, files, ffree } = await statfs(folder);
    const limit = name === 'size' ? (blocks - bfree) * bsize + free : files - ffree + free;
    try {
      await run('mount', ['-o', `remount,${name}=${limit}`, folder]);
      return;
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

function createFullDisk(parts: {
  readonly name: string;
  readonly resource: 'size' | 'nr_inodes';
  drawFree(random: Random): number;
  /** Whether batches to hours that have their files are stored meanwhile. */
  readonly isRefusing: boolean;
}): Fault {
  const { name, resource, drawFree, isRefusing } = parts;
  return {
    name,
    versions: [1],
    weight: 1,
    kind: 'disturbs',
    prepare: mountSmall,
    async strike(round: Round) {
      const { random, node, whenAcknowledged, allow, note } = round;
      allow({ statuses: [503], errors: DISK_ERRORS ?? [] });
      const folder = dirname(node.dirs.root);
      const free = drawFree(random);
      await whenAcknowledged(random.int(0, 20));
      await shrink(folder, { name: resource, free });
      try {
        const isSeen = await awaitReady(node, 503);
        const refused = isSeen && isRefusing ? await sendUntilRefused(round, 3) : 0;
        note(`${resource}: ${free} left, ${refused} refused, ${(await readdir(node.dirs.logs)).length} days`);
      } finally {
        await run('mount', ['-o', `remount,${resource}=${LARGE[resource]}`, folder]);
      }
      await awaitReady(node, 200);
    },
  };
}

/** No bytes are left, or so few that the next commits take them. */
export const diskFull = createFullDisk({
  name: 'disk-full',
  resource: 'size',
  drawFree: (random) => random.int(0, 40) * 4096,
  isRefusing: true,
});

/** No new file can be made. */
export const inodesFull = createFullDisk({
  name: 'inodes-full',
  resource: 'nr_inodes',
  drawFree: (random) => random.int(0, 6),
  isRefusing: false,
});
