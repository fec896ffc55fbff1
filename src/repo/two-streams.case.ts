import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { createMetrics } from '../metrics/metrics.ts';
import type { Batch } from '../model/chunk.ts';
import { parseHour, type StreamHour } from '../model/hour.ts';
import type { FileRepoOptions } from './file-repo-options.ts';
import type { Compression } from './hour-forms.ts';
import type { Repo } from './repo.ts';
import { createRepoFixture, type RepoFixture, readLines } from './repo-fixture.case.ts';

/** Of two streams, by the names that they have in the journal. */
export const HOURS = ['2025-11-22T10', 'events/2025-11-22T10', '2024-02-29T23'];

export function hour(name: string): StreamHour {
  const [text = '', stream = 'access'] = name.split('/').reverse();
  const parsed = parseHour(text);
  if (parsed === undefined) throw new Error(`not an hour: ${name}`);
  return { stream, hour: parsed };
}

export function lines(...texts: string[]): Buffer {
  return Buffer.from(texts.map((text) => `${text}\n`).join(''));
}

/** One batch over all three hours and both streams, each line naming the batch. */
export function batchOf(id: string, padding = ''): Batch {
  return HOURS.map((text) => ({ ...hour(text), count: 1, lines: lines(`${id}${padding}`) }));
}

/** New folders for each test, and a repo on them whose new hours have this form. */
export function useRepo(compression: Compression) {
  let fixture: RepoFixture;
  let newest: Repo | undefined;
  beforeEach(() => {
    fixture = createRepoFixture();
    newest = undefined;
  });
  afterEach(() => fixture.remove());

  /** The lines of an hour as the repo that was opened last gives them to readers, also after it was closed. */
  async function read(name: string): Promise<string[]> {
    return newest === undefined ? [] : readLines(newest, hour(name));
  }
  const hourFile = (name: string): string =>
    join(fixture.dir, 'logs', `${name.replace('T', '/')}.log.json${compression === 'zstd' ? '.zst' : ''}`);

  return {
    dir: () => fixture.dir,
    logged: () => fixture.logged,
    async open(options: Partial<FileRepoOptions> = {}): Promise<Repo> {
      const metrics = createMetrics({ defaultMetrics: false });
      newest = await fixture.open({ metrics, compressionOf: () => compression, ...options });
      return newest;
    },
    read,
    async readAll(): Promise<string[][]> {
      return Promise.all(HOURS.map(read));
    },
    hourFile,
    /** Whether there is no file of an hour in the other form. */
    hasOneForm: (name: string): boolean =>
      !fs.existsSync(compression === 'zstd' ? hourFile(name).slice(0, -4) : `${hourFile(name)}.zst`),
  };
}
