import { execFile } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { openCheckpoint } from './checkpoint.ts';
import { Recorder } from './file-parts.case.ts';
import { type FollowFixture, useFollowFixture } from './follow-fixture.case.ts';

const fixture = useFollowFixture();
const at = (name: string) => fixture().at(name);
const follow: FollowFixture['follow'] = (patterns, more) => fixture().follow(patterns, more);
const stop = () => fixture().stop();

const textOf = (name: string, from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `${name} line ${from + i} ${'x'.repeat((i * 7) % 60)}\n`).join('');
const sorted = (text: string) => text.split('\n').slice(0, -1).toSorted();

/** Each line once, whatever the order of files. */
async function untilDelivered(text: string, timeout = 3_000): Promise<void> {
  const expected = sorted(text);
  // By their number first: to compare many lines takes longer than to deliver them.
  const deadline = performance.now() + timeout;
  while (fixture().recorder.count < expected.length && performance.now() < deadline) await pause(5);
  const lines = fixture().recorder.lines.toSorted();
  if (lines.join('\n') !== expected.join('\n')) expect(lines.slice(0, 300)).toEqual(expected.slice(0, 300));
  expect(lines).toHaveLength(expected.length);
  expect(fixture().recorder.conflicts).toEqual([]);
}

describe('a follower', () => {
  it('sends what is there, what comes, and what new files bring', async () => {
    writeFileSync(at('a.log'), textOf('a', 0, 3));
    await follow(['*.log']);
    await untilDelivered(textOf('a', 0, 3));
    appendFileSync(at('a.log'), textOf('a', 3, 5));
    writeFileSync(at('b.log'), textOf('b', 0, 9_000));
    await untilDelivered(textOf('a', 0, 3) + textOf('a', 3, 5) + textOf('b', 0, 9_000));
    expect(fixture().faults).toEqual([]);
  });

  it('needs no watching: the poll alone finds all', async () => {
    writeFileSync(at('a.log'), 'a1\n');
    await follow(['*.log'], { watch: false });
    appendFileSync(at('a.log'), 'a2\n');
    await untilDelivered('a1\na2\n');
  });

  it('waits for the end of an unfinished line', async () => {
    await follow(['*.log']);
    writeFileSync(at('a.log'), 'a1\na');
    await untilDelivered('a1\n');
    appendFileSync(at('a.log'), '2\n');
    await untilDelivered('a1\na2\n');
  });

  it('begins at the end of what is there, where it is told so, and goes on after that when it starts again', async () => {
    writeFileSync(at('a.log'), textOf('old', 0, 5_000));
    await follow(['*.log'], { from: 'end' });
    appendFileSync(at('a.log'), 'new 1\n');
    writeFileSync(at('b.log'), 'new 2\n');
    await untilDelivered('new 1\nnew 2\n');
    await stop();
    appendFileSync(at('a.log'), 'new 3\n');
    // It came while nothing followed: only the first start begins at the end.
    writeFileSync(at('c.log'), 'new 4\n');
    await follow(['*.log'], { from: 'end' });
    await untilDelivered('new 1\nnew 2\nnew 3\nnew 4\n');
  });

  it('reads a renamed file to its end, though no pattern matches it any more', async () => {
    writeFileSync(at('a.log'), 'a1\n');
    await follow(['a.log']);
    await untilDelivered('a1\n');
    renameSync(at('a.log'), at('a.log.1'));
    appendFileSync(at('a.log.1'), 'a2\n');
    writeFileSync(at('a.log'), 'b1\n');
    appendFileSync(at('a.log.1'), 'a3\n');
    await untilDelivered('a1\na2\na3\nb1\n');
  });

  it('finds what was appended and renamed while nothing followed it', async () => {
    writeFileSync(at('a.log'), 'a1\n');
    await follow(['a.log']);
    await untilDelivered('a1\n');
    await stop();
    appendFileSync(at('a.log'), 'a2\n');
    renameSync(at('a.log'), at('a.log.1'));
    writeFileSync(at('a.log'), 'b1\n');
    await follow(['a.log']);
    await untilDelivered('a1\na2\nb1\n');
  });

  it('sends the unfinished line of a file that is deleted', async () => {
    writeFileSync(at('a.log'), 'a1\na2');
    const follower = await follow(['a.log']);
    await untilDelivered('a1\n');
    unlinkSync(at('a.log'));
    await untilDelivered('a1\na2\n', 6_000);
    await vi.waitFor(() => expect(follower.counts()).toMatchObject({ files: 0, open: 0 }), { timeout: 3_000 });
  });

  it('takes a truncated file for a new one, and finds the rest of the old content in the copy', async () => {
    let release = () => {};
    writeFileSync(at('a.log'), textOf('a', 0, 50));
    await follow(['a.log*']);
    await untilDelivered(textOf('a', 0, 50));
    fixture().recorder.before = () => new Promise((resolve) => (release = resolve));
    appendFileSync(at('a.log'), 'under way\n');
    await vi.waitFor(() => expect(fixture().recorder.slices.at(-1)?.converted.body.toString()).toBe('under way\n'));
    appendFileSync(at('a.log'), 'not seen\n');
    copyFileSync(at('a.log'), at('a.log.1'));
    truncateSync(at('a.log'), 0);
    appendFileSync(at('a.log'), 'after\n');
    fixture().recorder.before = () => Promise.resolve();
    release();
    await untilDelivered(`${textOf('a', 0, 50)}under way\nnot seen\nafter\n`, 9_000);
  });

  it('reads packed files once, when they are finished', async () => {
    writeFileSync(at('a.log.1.gz'), gzipSync(`${textOf('a', 0, 20_000)}last`));
    // As if it were made long ago: the time of its inode cannot be set, so the clock goes on instead.
    const now = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000);
    try {
      await follow(['a.log*']);
      await untilDelivered(`${textOf('a', 0, 20_000)}last\n`);
    } finally {
      now.mockRestore();
    }
  });

  it('does not wait for a file whose delivery fails, and sends that one again later', async () => {
    let failures = 0;
    fixture().recorder.before = ({ name }) =>
      name.endsWith('bad.log') && failures++ < 2 ? Promise.reject(new Error('refused')) : Promise.resolve();
    writeFileSync(at('bad.log'), 'bad one\ngood one\n'.replace('bad', 'odd'));
    writeFileSync(at('a.log'), 'a1\n');
    await follow(['*.log']);
    await vi.waitFor(() => expect(fixture().recorder.lines).toContain('a1'));
    await untilDelivered('a1\nodd one\ngood one\n');
    expect(fixture().faults).toHaveLength(2);
    expect(fixture().faults[0]).toContain('refused');
  });

  it('holds no more than its budget of all files, and lets them take turns', async () => {
    const names = Array.from({ length: 6 }, (_, i) => `f${i}.log`);
    for (const name of names) writeFileSync(at(name), textOf(name, 0, 20_000));
    let inFlight = 0;
    let most = 0;
    fixture().recorder.before = async ({ bytes }) => {
      inFlight += bytes.length;
      most = Math.max(most, inFlight);
      await pause(2);
      inFlight -= bytes.length;
    };
    await follow(['*.log'], { maxInFlightBytes: 1024 * 1024 });
    await untilDelivered(names.map((name) => textOf(name, 0, 20_000)).join(''), 8_000);
    expect(most).toBeLessThan(1024 * 1024 + 300_000);
    const order = fixture().recorder.slices.map(({ name }) => name);
    expect(order.lastIndexOf(at('f0.log'))).toBeGreaterThan(order.indexOf(at('f5.log')));
  });

  it('gathers while slices are under way, so that a load makes larger slices', async () => {
    fixture().recorder.before = () => pause(20);
    writeFileSync(at('a.log'), 'begin\n');
    await follow(['a.log']);
    for (let i = 0; i < 400; i++) {
      appendFileSync(at('a.log'), `line ${i}\n`);
      if (i % 10 === 0) await pause(1);
    }
    await vi.waitFor(() => expect(fixture().recorder.count).toBe(401), { timeout: 3_000, interval: 10 });
    expect(fixture().recorder.slices.length).toBeLessThan(40);
  });

  it('hands over within 50 ms what is appended', async () => {
    writeFileSync(at('a.log'), 'begin\n');
    await follow(['a.log']);
    await untilDelivered('begin\n');
    const took: number[] = [];
    for (let i = 0; i < 40; i++) {
      const { promise, resolve } = Promise.withResolvers<void>();
      fixture().recorder.before = async () => resolve();
      const begun = performance.now();
      appendFileSync(at('a.log'), `line ${i}\n`);
      await promise;
      took.push(performance.now() - begun);
      await pause(5);
    }
    // The machine of the test may be busy: three quarters must keep to it.
    expect(took.toSorted((a, b) => a - b)[30]).toBeLessThan(50);
  });

  it('delivers what it has read when it is stopped, and says when the time is over', async () => {
    writeFileSync(at('a.log'), textOf('a', 0, 100));
    const blocked = Promise.withResolvers<void>();
    fixture().recorder.before = () => blocked.promise;
    const follower = await follow(['a.log']);
    await vi.waitFor(() => expect(fixture().recorder.slices).toHaveLength(1));
    fixture().followers.length = 0;
    await expect(follower.stop(50)).rejects.toThrow('within 50 ms');
    blocked.resolve();
    await untilDelivered(textOf('a', 0, 100));
  });
});

describe('a follower that is killed', () => {
  it('sends the slice that was under way again, with its id and bounds, though the file has grown', async () => {
    writeFileSync(at('a.log'), textOf('a', 0, 10));
    fixture().recorder.before = () => new Promise(() => {});
    await follow(['a.log']);
    await vi.waitFor(() => expect(fixture().recorder.slices).toHaveLength(1));
    // Nothing of the first one is stopped: its delivery never ends. A new process would find the same checkpoint.
    const copy = at('.checkpoint-after');
    copyFileSync(at('.checkpoint'), copy);
    appendFileSync(at('a.log'), textOf('a', 10, 5_000));
    const first = fixture().recorder.slices[0];
    fixture()
      .followers.splice(0)[0]
      ?.stop(0)
      .catch(() => {});
    fixture().recorder = new Recorder();
    await fixture().checkpoint?.close();
    fixture().checkpoint = await openCheckpoint(copy, { stream: 'access', warn() {} });
    await follow(['a.log']);
    await untilDelivered(textOf('a', 0, 10) + textOf('a', 10, 5_000));
    const { id, from, to } = fixture().recorder.slices[0] ?? {};
    expect({ id, from, to }).toEqual({ id: first?.id, from: first?.from, to: first?.to });
  });
});

describe('rotation', () => {
  it('of a small file that grew after it was renamed, and was compressed at once, doubles nothing', async () => {
    writeFileSync(at('a.log'), textOf('small', 0, 5));
    await follow(['a.log*']);
    await untilDelivered(textOf('small', 0, 5));
    renameSync(at('a.log'), at('a.log.1'));
    appendFileSync(at('a.log.1'), 'small line 5\n');
    writeFileSync(at('a.log'), 'next line 6\n');
    await untilDelivered(`${textOf('small', 0, 5)}small line 5\nnext line 6\n`);
    writeFileSync(at('a.log.1.gz'), gzipSync(readFileSync(at('a.log.1'))));
    unlinkSync(at('a.log.1'));
    await pause(6_500);
    await untilDelivered(`${textOf('small', 0, 5)}small line 5\nnext line 6\n`);
  }, 20_000);

  const gzip = promisify(execFile);

  it('loses and doubles nothing in 30 rounds by rename, by copy-and-truncate and by compression', async () => {
    await follow(['a.log*']);
    let all = '';
    const write = (round: number, count: number) => {
      const text = textOf(`r${round}-${statSync(at('a.log'), { throwIfNoEntry: false })?.size ?? 0}`, 0, count);
      appendFileSync(at('a.log'), text);
      all += text;
    };
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 5; i++) write(round, 1 + Math.floor(Math.random() * 40));
      if (round % 3 === 1) {
        copyFileSync(at('a.log'), at(`a.log.copy${round}`));
        truncateSync(at('a.log'), 0);
      } else renameSync(at('a.log'), at(`a.log.${round}`));
      if (round % 3 === 2) await gzip('gzip', [at(`a.log.${round}`)]);
      write(round + 100, 1 + Math.floor(Math.random() * 40));
    }
    await untilDelivered(all, 9_000);
    expect(readFileSync(at('a.log')).length).toBeGreaterThan(0);
  }, 15_000);
});
