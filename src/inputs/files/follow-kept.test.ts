import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { diskFileSystem } from '../../disk/file-system.ts';
import { PermanentError } from '../../model/deliver.ts';
import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { openLines } from './file-parts.case.ts';
import { BLOCK_BYTES } from './files.ts';
import { type FollowFixture, useFollowFixture } from './follow-fixture.case.ts';
import type { FollowOptions } from './follower.ts';

/* What a follower keeps of files that moved, were read, or could not be read; and what it lets go. */
const fixture = useFollowFixture();
const at = (name: string) => fixture().at(name);
const follow: FollowFixture['follow'] = (patterns, more) => fixture().follow(patterns, more);
const stop = () => fixture().stop();
afterEach(() => {
  vi.restoreAllMocks();
});

const untilRead = (...lines: string[]) =>
  vi.waitFor(() => expect(fixture().recorder.lines.toSorted()).toEqual(lines.toSorted()), {
    timeout: 3_000,
    interval: 5,
  });

/** As if all files were made long ago: the time of an inode cannot be set, so the clock goes on instead. */
function setClockOn(ms: number): void {
  const { now } = Date;
  vi.spyOn(Date, 'now').mockImplementation(() => now() + ms);
}

describe('packed files', () => {
  beforeEach(() => setClockOn(60_000));

  it('that are there at a first start are skipped, where it begins at the end', async () => {
    writeFileSync(at('a.log.1.gz'), gzipSync('old 1\nold 2\n'));
    writeFileSync(at('a.log'), 'new\n');
    const follower = await follow(['a.log*'], { from: 'end' });
    await vi.waitFor(() =>
      expect(
        fixture()
          .checkpoint?.all()
          .map(({ offset }) => offset)
          .toSorted(),
      ).toEqual([12, 4]),
    );
    appendFileSync(at('a.log'), 'newer\n');
    appendFileSync(at('a.log.1.gz'), gzipSync('old 3\n'));
    await untilRead('newer', 'old 3');
    expect(follower.counts().files).toBe(2);
  });

  it('that an earlier run has read are not unpacked again, renamed or not', async () => {
    writeFileSync(at('a.log.1.gz'), gzipSync('a1\na2\n'));
    utimesSync(at('a.log.1.gz'), 1_000_000, 1_000_000.123);
    await follow(['a.log*']);
    await untilRead('a1', 'a2');
    await vi.waitFor(() => expect(fixture().checkpoint?.all()[0]?.finished).toBeDefined());
    await stop();
    renameSync(at('a.log.1.gz'), at('a.log.2.gz'));
    writeFileSync(at('b.log'), 'b1\n');
    const opened: string[] = [];
    await follow(['*.log*'], {
      open(name, _head, state) {
        opened.push(name);
        return openLines(state);
      },
    });
    await untilRead('a1', 'a2', 'b1');
    await vi.waitFor(() =>
      expect(
        fixture()
          .checkpoint?.all()
          .map(({ path }) => path),
      ).toContain(at('a.log.2.gz')),
    );
    expect(opened).toEqual([at('b.log')]);
  });
});

describe('a file that is made again under a name that another one had', () => {
  it('is followed, where the set of names stays the same', async () => {
    for (const name of ['a.log', 'a.log.1']) writeFileSync(at(name), `${name}\n`);
    const follower = await follow(['a.log*']);
    await untilRead('a.log', 'a.log.1');
    renameSync(at('a.log'), at('a.log.1'));
    // The follower finds the place empty before the new file comes.
    await vi.waitFor(() => expect(follower.paths(10)).toEqual([at('a.log.1')]), { timeout: 5_000, interval: 1 });
    writeFileSync(at('a.log'), 'new\n');
    await untilRead('a.log', 'a.log.1', 'new');
  });
});

describe('a first start from the end that is stopped before it has skipped', () => {
  beforeEach(() => setClockOn(60_000));

  /** Ends when the file is known, and nothing else of it is done. */
  async function beStopped(): Promise<void> {
    await follow(['a.log*'], {
      from: 'end',
      open() {
        fixture()
          .followers[0]?.stop(0)
          .catch(() => {});
        throw new PermanentError('stopped');
      },
    });
    await vi.waitFor(() => expect(fixture().faults).toHaveLength(1));
    expect(fixture().checkpoint?.all()).toMatchObject([{ offset: 0, format: '' }]);
    await stop();
  }

  it('leaves the plain file to the next start', async () => {
    writeFileSync(at('a.log'), 'old 1\nold 2\n');
    await beStopped();
    appendFileSync(at('a.log'), 'new\n');
    await follow(['a.log*'], { from: 'end' });
    await untilRead('new');
    expect(fixture().checkpoint?.all()[0]).not.toHaveProperty('skip');
  });

  it('leaves the packed file to the next start, also where that is in the middle of it', async () => {
    writeFileSync(at('a.log.1.gz'), gzipSync('old 1\nold 2\n'));
    await follow(['a.log*'], {
      from: 'end',
      open(_name, _head, state) {
        fixture()
          .followers[0]?.stop(0)
          .catch(() => {});
        return openLines(state);
      },
    });
    await vi.waitFor(() => expect(fixture().checkpoint?.all()).toHaveLength(1));
    await stop();
    await follow(['a.log*'], { from: 'end' });
    await vi.waitFor(() => expect(fixture().checkpoint?.all()).toMatchObject([{ offset: 12, finished: {} }]));
    appendFileSync(at('a.log.1.gz'), gzipSync('new\n'));
    await untilRead('new');
  });

  it('skips as much of the file though it is compressed by then', async () => {
    writeFileSync(at('a.log'), 'old 1\nold 2\n');
    await beStopped();
    writeFileSync(at('a.log.1.gz'), gzipSync('old 1\nold 2\nnew\n'));
    rmSync(at('a.log'));
    await follow(['a.log*'], { from: 'end' });
    await untilRead('new');
  });
});

describe('a first start from the end that ends before it has looked into all files', () => {
  /** As a process that is killed leaves it: nothing is written after its start. */
  async function beKilled(patterns: readonly string[], more: Partial<FollowOptions> = {}): Promise<void> {
    await follow(patterns, { from: 'end', ...more });
    copyFileSync(at('.checkpoint'), at('.killed'));
    await stop();
    expect(fixture().recorder.lines).toEqual([]);
    renameSync(at('.killed'), at('.checkpoint'));
  }

  /** A follower that identifies nothing. */
  async function beBlind(): Promise<Partial<FollowOptions>> {
    fixture().checkpoint = await openCheckpoint(at('.checkpoint'), { stream: 'access', warn() {} });
    return { checkpoint: { ...fixture().checkpoint, identify: async () => 'undecided' } as Checkpoint };
  }

  it('skips a packed file that was too young, also where others were read', async () => {
    writeFileSync(at('a.log'), 'old 1\n');
    writeFileSync(at('a.log.1.gz'), gzipSync('older 1\nolder 2\n'));
    await follow(['a.log*'], { from: 'end' });
    appendFileSync(at('a.log'), 'new 1\n');
    await untilRead('new 1');
    await stop();
    // It came while nothing followed: it is read.
    writeFileSync(at('a.log.2.gz'), gzipSync('new 2\n'));
    setClockOn(60_000);
    await follow(['a.log*'], { from: 'end' });
    await untilRead('new 1', 'new 2');
    await vi.waitFor(() =>
      expect(
        fixture()
          .checkpoint?.all()
          .every(({ offset }) => offset > 0),
      ).toBe(true),
    );
    await untilRead('new 1', 'new 2');
  });

  it('skips what each file had then, and reads what it has got since, though the run was killed', async () => {
    for (const name of ['a', 'b', 'c']) writeFileSync(at(`${name}.log`), `old ${name}\n`);
    writeFileSync(at('empty.log'), '');
    await beKilled(['*.log'], await beBlind());
    appendFileSync(at('a.log'), 'new a\n');
    renameSync(at('b.log'), at('b.old'));
    appendFileSync(at('b.old'), 'new b\n');
    appendFileSync(at('empty.log'), 'new empty\n');
    writeFileSync(at('d.log'), 'new d\n');
    await follow(['*.log'], { from: 'end' });
    await untilRead('new a', 'new b', 'new d', 'new empty');
    appendFileSync(at('c.log'), 'new c\n');
    await untilRead('new a', 'new b', 'new c', 'new d', 'new empty');
    expect(readFileSync(at('.checkpoint'), 'utf8').split('\n').at(-2)).not.toContain('unread');
  });

  it('reads a file that has the inode of one that is gone, and one that was truncated', async () => {
    for (const name of ['gone', 'short']) writeFileSync(at(`${name}.log`), `old line of ${name}\n`);
    await beKilled(['*.log'], await beBlind());
    writeFileSync(at('short.log'), 'new 1\n');
    // In place of waiting for the system to use the inode again: the checkpoint says that the file was made at another time.
    const text = readFileSync(at('.checkpoint'), 'utf8');
    const { birthtimeMs } = statSync(at('gone.log'));
    expect(text).toContain(`"bornMs":${birthtimeMs}`);
    writeFileSync(at('.checkpoint'), text.replace(`"bornMs":${birthtimeMs}`, '"bornMs":1'));
    await follow(['*.log'], { from: 'end' });
    await untilRead('new 1', 'old line of gone');
  });

  it('writes all of them at once: a run that could not begin leaves nothing', async () => {
    for (const name of ['a', 'b']) writeFileSync(at(`${name}.log`), 'old\n');
    const sync = () => Promise.reject(new Error('ENOSPC'));
    fixture().checkpoint = await openCheckpoint(at('.checkpoint'), {
      ...{ stream: 'access', warn() {} },
      files: { ...diskFileSystem, sync },
    });
    await expect(follow(['*.log'], { from: 'end' })).rejects.toThrow(
      `cannot write the checkpoint path=${at('.checkpoint')}`,
    );
    expect(fixture().recorder.slices).toEqual([]);
    fixture().checkpoint = undefined;
  });
});

describe('a renamed file', () => {
  it('that nothing was found in yet is read where it stands', async () => {
    writeFileSync(at('a.log'), '');
    const follower = await follow(['a.log']);
    await vi.waitFor(() => expect(follower.counts().open).toBe(1));
    renameSync(at('a.log'), at('old'));
    writeFileSync(at('a.log'), 'b1\n');
    await untilRead('b1');
    appendFileSync(at('old'), 'a1\n');
    await untilRead('a1', 'b1');
  });

  it('that was renamed before it was opened is found again', async () => {
    writeFileSync(at('z.log'), 'z1\n');
    const { promise: held, resolve: go } = Promise.withResolvers<void>();
    // All that may be in flight is: the other file is not opened.
    await follow(['?.log'], {
      maxInFlightBytes: BLOCK_BYTES,
      async deliver(slice) {
        await held;
        await fixture().recorder.deliver(slice);
      },
    });
    writeFileSync(at('a.log'), 'a1\n');
    await vi.waitFor(() => expect(fixture().followers[0]?.paths(10)).toContain(at('a.log')));
    renameSync(at('a.log'), at('old'));
    await vi.waitFor(() => expect(fixture().followers[0]?.paths(10)).not.toContain(at('a.log')));
    go();
    await untilRead('a1', 'z1');
  });

  it('is read to its end by a later start, also after one that was stopped within it', async () => {
    writeFileSync(at('a.log'), 'a1\n');
    await follow(['a.log']);
    await untilRead('a1');
    await stop();
    renameSync(at('a.log'), at('old'));
    appendFileSync(at('old'), 'a2\n');
    await follow(['a.log']);
    await untilRead('a1', 'a2');
    await vi.waitFor(() => expect(fixture().checkpoint?.all()[0]?.path).toBe(at('old')));
    await stop();
    appendFileSync(at('old'), 'a3\n');
    await follow(['a.log']);
    await untilRead('a1', 'a2', 'a3');
  });

  it('is kept for its writer until the next one has something', async () => {
    writeFileSync(at('a.log'), 'a1\n');
    const follower = await follow(['a.log']);
    await untilRead('a1');
    renameSync(at('a.log'), at('old'));
    writeFileSync(at('a.log'), '');
    const real = performance.now.bind(performance);
    const ago = vi.spyOn(performance, 'now');
    ago.mockImplementation(() => real() + 60_000);
    await vi.waitFor(() => expect(follower.counts().files).toBe(2));
    appendFileSync(at('old'), 'a2\n');
    await untilRead('a1', 'a2');
    ago.mockImplementation(() => real() + 120_000);
    appendFileSync(at('a.log'), 'b1\n');
    await untilRead('a1', 'a2', 'b1');
    await vi.waitFor(() => expect(follower.counts().files).toBe(1), { timeout: 3_000 });
  });

  it('is kept though it is not open', async () => {
    writeFileSync(at('a.log'), 'a1\n');
    utimesSync(at('a.log'), 1_000, 1_000);
    const follower = await follow(['a.log']);
    await untilRead('a1');
    // Nothing came for long, so it is closed.
    await vi.waitFor(() => expect(follower.counts().open).toBe(0), { timeout: 3_000 });
    renameSync(at('a.log'), at('old'));
    await vi.waitFor(() => expect(follower.paths(1)).toEqual([]));
    appendFileSync(at('old'), 'a2\n');
    writeFileSync(at('a.log'), '');
    await untilRead('a1', 'a2');
  });

  it('is found at a start, though there is no new one yet', async () => {
    writeFileSync(at('a.log'), 'a1\n');
    await follow(['a.log']);
    await untilRead('a1');
    await stop();
    appendFileSync(at('a.log'), 'a2\n');
    renameSync(at('a.log'), at('old'));
    await follow(['*.log']);
    await untilRead('a1', 'a2');
  });

  it('whose inode another file has by now is not read', async () => {
    writeFileSync(at('a.log'), 'a1\n');
    await follow(['a.log']);
    await untilRead('a1');
    const inode = fixture().checkpoint?.all()[0]?.inode;
    await stop();
    // In place of waiting for the system to use the inode again: the checkpoint says that it did.
    renameSync(at('a.log'), at('old'));
    writeFileSync(at('old'), 'secret 1\nsecret 2\n');
    const follower = await follow(['*.log']);
    expect(fixture().checkpoint?.all()[0]?.inode).toBe(inode);
    expect(follower.counts().files).toBe(0);
  });

  it('that cannot be read is let go', async () => {
    writeFileSync(at('a.log'), 'odd\n');
    const follower = await follow(['a.log'], {
      open() {
        throw new PermanentError('no columns');
      },
    });
    await vi.waitFor(() => expect(fixture().faults).toEqual([`${at('a.log')}: no columns`]));
    renameSync(at('a.log'), at('old'));
    await vi.waitFor(() => expect(follower.counts()).toMatchObject({ files: 0, open: 0 }), { timeout: 3_000 });
  });
});

it('a position that could not be written is written later', async () => {
  let isFull = false;
  const sync = (fd: number) => (isFull ? Promise.reject(new Error('ENOSPC')) : diskFileSystem.sync(fd));
  const files = { ...diskFileSystem, sync };
  const path = join(fixture().folder, '.checkpoint');
  fixture().checkpoint = await openCheckpoint(path, { stream: 'access', warn() {}, files });
  fixture().recorder.before = async () => {
    isFull = true;
  };
  writeFileSync(at('a.log'), 'a1\n');
  await follow(['a.log']);
  await vi.waitFor(() =>
    expect(fixture().faults).toEqual([`${at('a.log')}: cannot write the checkpoint path=${path}`]),
  );
  isFull = false;
  await vi.waitFor(() => expect(readFileSync(path, 'utf8')).toContain('"offset":3'), { timeout: 3_000 });
  await untilRead('a1');
});

it('a position that was written after a failure is not written at each opening', async () => {
  const real = performance.now.bind(performance);
  let ahead = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => real() + ahead);
  writeFileSync(at('a.log'), 'a1\n');
  const opened: string[] = [];
  const checkpoint = await openCheckpoint(at('.checkpoint'), { stream: 'access', warn() {} });
  fixture().checkpoint = checkpoint;
  let commits = 0;
  const commit: typeof checkpoint.commit = async (...args) => {
    await checkpoint.commit(...args);
    if (++commits === 1) throw new Error('full');
  };
  const follower = await follow(['a.log'], {
    checkpoint: { ...checkpoint, commit },
    open(name, _head, state) {
      opened.push(name);
      return openLines(state);
    },
  });
  await vi.waitFor(() => expect([opened.length, commits]).toEqual([2, 2]), { timeout: 3_000 });
  for (const openings of [3, 4]) {
    // Nothing came for long, so it is closed. A change that is none opens it.
    ahead += 120_000;
    await vi.waitFor(() => expect(follower.counts().open).toBe(0), { timeout: 3_000 });
    utimesSync(at('a.log'), openings, openings);
    await vi.waitFor(() => expect(opened).toHaveLength(openings), { timeout: 3_000 });
  }
  expect(commits).toBe(2);
});

it('deliveries that fail are tried after longer and longer pauses', async () => {
  const tried: number[] = [];
  writeFileSync(at('a.log'), 'a1\n');
  await follow(['a.log'], {
    async deliver() {
      tried.push(performance.now());
      throw new Error('refused');
    },
  });
  await vi.waitFor(() => expect(tried).toHaveLength(4), { timeout: 6_000 });
  // 1 s, less by half at most.
  expect((tried[3] ?? 0) - (tried[2] ?? 0)).toBeGreaterThanOrEqual(500);
});

it('what stands in a folder that was deleted and made again is noticed at once', async () => {
  mkdirSync(at('in'));
  writeFileSync(at('in/a.log'), 'a1\n');
  await follow(['in/*.log']);
  await untilRead('a1');
  rmSync(at('in'), { recursive: true });
  mkdirSync(at('in'));
  writeFileSync(at('in/a.log'), 'b1\n');
  await untilRead('a1', 'b1');
  writeFileSync(at('in/b.log'), 'b2\n');
  await untilRead('a1', 'b1', 'b2');
});
