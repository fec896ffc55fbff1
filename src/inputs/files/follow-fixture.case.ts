import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { createBoundary } from '../../decode/framing.ts';
import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { openLines, Recorder } from './file-parts.case.ts';
import { createFollower } from './follow.ts';
import type { Follower, FollowOptions } from './follower.ts';

/** A folder of its own for each test, with followers that deliver to one recorder and share one checkpoint. All of it ends with the test. */
export class FollowFixture {
  readonly folder = mkdtempSync(join(tmpdir(), 'logforge-follow-'));
  /** Of the followers that begin from now on. */
  recorder = new Recorder();
  readonly faults: string[] = [];
  /** Open from the first follower on, until `stop`. */
  checkpoint: Checkpoint | undefined;
  /** Those that run. */
  readonly followers: Follower[] = [];

  at(name: string): string {
    return join(this.folder, name);
  }

  async follow(patterns: readonly string[], more: Partial<FollowOptions> = {}): Promise<Follower> {
    this.checkpoint ??= await openCheckpoint(this.at('.checkpoint'), { stream: 'access', warn() {} });
    const follower = createFollower({
      patterns: patterns.map((pattern) => this.at(pattern)),
      checkpoint: this.checkpoint,
      open: (_name, _head, state) => openLines(state),
      createBoundary,
      deliver: this.recorder.deliver,
      report: { delivered() {}, warn() {}, fault: (path, { message }) => this.faults.push(`${path}: ${message}`) },
      ...more,
    });
    this.followers.push(follower);
    await follower.start();
    return follower;
  }

  async stop(): Promise<void> {
    for (const follower of this.followers.splice(0)) await follower.stop(5_000);
    await this.checkpoint?.close();
    this.checkpoint = undefined;
  }
}

/** Makes one before each test, and gives the one of the test that runs. */
export function useFollowFixture(): () => FollowFixture {
  let fixture: FollowFixture;
  beforeEach(() => {
    fixture = new FollowFixture();
  });
  afterEach(async () => {
    await fixture.stop();
    rmSync(fixture.folder, { recursive: true });
  });
  return () => fixture;
}
