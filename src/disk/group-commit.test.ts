import { describe, expect, it } from 'vitest';
import { GroupCommit, type GroupCommitOptions } from './group-commit.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Groups of numbers; each commit waits until the test lets it go. */
function createGroups(options: Omit<GroupCommitOptions<number>, 'commit'> = {}) {
  const groups: number[][] = [];
  const open: (() => void)[] = [];
  const commits = new GroupCommit<number>({
    ...options,
    commit: (group) => {
      groups.push(group);
      return new Promise((resolve) => open.push(resolve));
    },
  });
  const finish = async (): Promise<void> => {
    open.shift()?.();
    await turn();
  };
  return { commits, groups, finish };
}

describe('a group commit', () => {
  it('commits one group at a time; what arrives meanwhile forms the next one, in order', async () => {
    const { commits, groups, finish } = createGroups();
    commits.add(1);
    commits.add(2);
    await turn();
    for (const entry of [3, 4, 5]) commits.add(entry);
    await turn();
    expect(groups).toEqual([[1, 2]]);
    expect([commits.waiting, commits.oldest]).toEqual([3, 3]);
    await finish();
    expect(groups).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
    expect([commits.waiting, commits.oldest]).toEqual([0, undefined]);
  });

  it('starts again after it was idle', async () => {
    const { commits, groups, finish } = createGroups();
    for (const entry of [1, 2]) {
      commits.add(entry);
      await turn();
      await finish();
      await commits.idle();
    }
    expect(groups).toEqual([[1], [2]]);
  });

  it('ends a group at whichever limit comes first, and always takes one entry', async () => {
    let max = 10;
    const { commits, groups, finish } = createGroups({
      limits: [
        { weigh: (entry) => entry, max: () => max },
        { weigh: () => 1, max: () => 3 },
      ],
    });
    for (const entry of [50, 4, 6, 1, 2, 3, 4, 20]) commits.add(entry);
    await turn();
    for (let at = 0; at < 3; at++) await finish();
    max = 1_000;
    await finish();
    expect(groups).toEqual([[50], [4, 6], [1, 2, 3], [4], [20]]);
  });

  it('gathers before each group, and says which one follows another', async () => {
    const gathered: boolean[] = [];
    const { commits, groups, finish } = createGroups({
      gather: async (isFirst) => {
        gathered.push(isFirst);
        await turn();
      },
    });
    commits.add(1);
    await Promise.resolve();
    commits.add(2);
    await turn();
    await turn();
    commits.add(3);
    await finish();
    await turn();
    expect(groups).toEqual([[1, 2], [3]]);
    expect(gathered).toEqual([true, false]);
  });

  it('commits nothing when all was withdrawn while it gathered', async () => {
    const { commits, groups } = createGroups({ gather: () => turn().then(() => undefined) });
    commits.add(1);
    expect(commits.withdraw()).toEqual([1]);
    await commits.idle();
    expect(groups).toEqual([]);
  });

  it('gives up what waits when it is withdrawn, and not what is being committed', async () => {
    const { commits, groups, finish } = createGroups();
    commits.add(1);
    await turn();
    commits.add(2);
    expect(commits.withdraw()).toEqual([2]);
    await finish();
    await commits.idle();
    expect(groups).toEqual([[1]]);
  });

  it('is idle when nothing waits and nothing runs', async () => {
    const { commits, finish } = createGroups();
    await commits.idle();
    commits.add(1);
    await turn();
    commits.add(2);
    let idle = false;
    const waited = commits.idle().then(() => {
      idle = true;
    });
    await finish();
    expect(idle).toBe(false);
    await finish();
    await waited;
  });

  it('runs other work between two groups, also when that fails', async () => {
    const { commits, groups, finish } = createGroups();
    const order: string[] = [];
    commits.add(1);
    await turn();
    const failing = commits.between(async () => {
      order.push(`after ${groups.length}`);
      await turn();
      throw new Error('no');
    });
    const failed = expect(failing).rejects.toThrow('no');
    await finish();
    commits.add(2);
    expect(order).toEqual(['after 1']);
    expect(groups).toHaveLength(1);
    await failed;
    await turn();
    expect(groups).toEqual([[1], [2]]);
    await finish();
    expect(await commits.between(async () => 'alone')).toBe('alone');
    await commits.idle();
  });
});
