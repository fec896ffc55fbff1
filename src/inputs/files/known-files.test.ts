import { expect, it } from 'vitest';
import { hashHead, type SeenFile } from './identity.ts';
import { KnownFiles, MAX_TWINS } from './known-files.ts';

const head = Buffer.alloc(1024, '#Fields: date time\n');

function entryOf(number: number, path: string) {
  return {
    ...{ id: `id-${number}`, stream: 'access', path, device: 1, inode: number + 1, head: hashHead(head, 1024) },
    ...{ headBytes: 1024, format: 'w3c', offset: 0, number: 0, state: '', noted: [], seen: number },
  };
}

function seenAt(path: string): SeenFile {
  return { path, device: 1, inode: 1_000_000, changedMs: 0, bornMs: 0, size: 5_000, head };
}

it('finds those files first whose paths agree furthest, among thousands that begin alike', () => {
  const count = 4_000;
  const known = new KnownFiles();
  const begun = performance.now();
  for (let i = 0; i < count; i++) {
    known.set(entryOf(i, `/logs/${(i * 7_919) % count}/u_ex.log`));
    known.withHead(seenAt(`/logs/${i}/u_ex.log.1`), 'access');
  }
  // When each was compared with all, they took 5.5 s.
  expect(performance.now() - begun).toBeLessThan(4_000);
  for (const at of [0, 77, 3_999]) {
    const found = known.withHead(seenAt(`/logs/${at}/u_ex.log.1`), 'access');
    expect(found[0]?.path).toBe(`/logs/${at}/u_ex.log`);
    expect(found).toHaveLength(MAX_TWINS);
  }
});

it('follows a file that is moved or forgotten', () => {
  const known = new KnownFiles([entryOf(1, '/a/access.log'), entryOf(2, '/b/access.log')]);
  known.set({ ...entryOf(1, '/c/access.log.1'), offset: 9 });
  expect(known.withHead(seenAt('/c/access.log.2'), 'access').map(({ id }) => id)).toEqual(['id-1', 'id-2']);
  known.delete('id-1');
  expect(known.withHead(seenAt('/c/access.log.2'), 'access').map(({ id }) => id)).toEqual(['id-2']);
  known.delete('id-2');
  expect(known.withHead(seenAt('/c/access.log.2'), 'access')).toEqual([]);
});
