import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createBoundary } from '../../decode/framing.ts';
import { openCheckpoint } from './checkpoint.ts';
import { openLines, Recorder } from './file-parts.case.ts';
import { createFollower } from './follow.ts';

/** Contents that are open: nothing outside tells. */
const contents = vi.hoisted(() => new Set<unknown>());
vi.mock('./content.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('./content.ts')>();
  return {
    ...original,
    async openFileContent(...args: Parameters<typeof original.openFileContent>) {
      const content = await original.openFileContent(...args);
      contents.add(content);
      const close = () => {
        contents.delete(content);
        content.close();
      };
      return { ...content, close };
    },
  };
});

it('a packed file is closed each time its position cannot be written', async () => {
  const now = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => now() + 60_000);
  const folder = mkdtempSync(join(tmpdir(), 'logforge-followed-'));
  writeFileSync(join(folder, 'a.gz'), gzipSync('a1\n'));
  const checkpoint = await openCheckpoint(join(folder, '.checkpoint'), { stream: 'access', warn() {} });
  const recorder = new Recorder();
  const faults: string[] = [];
  let failing = 2;
  const commit: typeof checkpoint.commit = (...args) =>
    failing-- > 0 ? Promise.reject(new Error('full')) : checkpoint.commit(...args);
  const follower = createFollower({
    patterns: [join(folder, '*.gz')],
    checkpoint: { ...checkpoint, commit },
    open: (_name, _head, state) => openLines(state),
    createBoundary,
    deliver: recorder.deliver,
    report: { delivered() {}, warn() {}, fault: (_path, { message }) => faults.push(message) },
  });
  onTestFinished(async () => {
    await follower.stop(1_000);
    await checkpoint.close();
    vi.restoreAllMocks();
    rmSync(folder, { recursive: true });
  });
  await follower.start();
  await vi.waitFor(() => expect(checkpoint.all()[0]?.finished).toBeDefined(), { timeout: 3_000, interval: 5 });
  await vi.waitFor(() => expect(follower.counts().open).toBe(0));
  expect(faults).toEqual(['full', 'full']);
  expect(recorder.lines).toEqual(['a1']);
  expect(contents.size).toBe(0);
});
