import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type Dirs, makeDirs, REPOSITORY } from './service.ts';

/*
 * Data folders that version 1.0.0 wrote (testdata/state-1.0.0), and the batches that it acknowledged before it ended.
 * scripts/old-state.ts made the folders from the same batches.
 */

export const OLD_STATE = join(REPOSITORY, 'testdata/state-1.0.0');
export type OldState = 'killed' | 'stopped' | 'spool';

export interface OldBatch {
  readonly key?: string;
  /** Records in their stored form, so that a test can compare bytes. */
  readonly lines: readonly string[];
  /** Records that are not valid; the batch is sent with `?invalid=skip`. */
  readonly invalid?: readonly string[];
}

const LARGE_RECORDS = 300;
const PADDING = 'x'.repeat(1_000);

/** Sent to version 1, one after the other. */
export const DIRECT_BATCHES: readonly OldBatch[] = [
  {
    key: 'direct-hours',
    lines: [
      '{"timestamp":"2015-05-17T10:05:03Z","path":"/home","userAgent":"curl/8.14.1"}',
      '{"timestamp":"2015-05-17T11:00:00Z","path":"/home","userAgent":"Mozilla/5.0"}',
      '{"timestamp":"2015-05-17T23:59:59.999999999Z","path":"/last","userAgent":"Mozilla/5.0"}',
      '{"timestamp":"2015-05-18T00:00:00Z","path":"/first","userAgent":"Mozilla/5.0"}',
    ],
  },
  {
    key: 'direct-extras',
    lines: [
      '{"timestamp":"2015-05-17T10:05:04Z","path":"/numbers","userAgent":"a","id":12345678901234567890,"ratio":1.0}',
      '{"timestamp":"2015-05-18T00:00:01Z","path":"/größe","userAgent":"日本語","tags":["a",{"b":null}],"path2":""}',
    ],
  },
  {
    lines: ['{"timestamp":"2015-05-17T10:05:05Z","path":"/valid","userAgent":"a"}'],
    invalid: ['{"timestamp":"yesterday","path":"/invalid","userAgent":"a"}'],
  },
  // Large enough for a commit that syncs the hour file itself; the others stand in the journal entry.
  {
    lines: Array.from(
      { length: LARGE_RECORDS },
      (_, i) => `{"timestamp":"2015-05-17T11:00:01Z","path":"/large/${i}","userAgent":"a","padding":"${PADDING}"}`,
    ),
  },
  {
    key: 'direct-last',
    lines: [
      '{"timestamp":"2015-05-17T10:05:06Z","path":"/home","userAgent":"a"}',
      '{"timestamp":"2015-05-17T11:00:02Z","path":"/home","userAgent":"a"}',
    ],
  },
];

/** Sent to version 2 while its broker could not be reached. */
export const SPOOLED_BATCHES: readonly OldBatch[] = [
  {
    key: 'spool-hours',
    lines: [
      '{"timestamp":"2015-05-17T10:05:03Z","path":"/spooled/1","userAgent":"curl/8.14.1"}',
      '{"timestamp":"2015-05-18T00:00:00Z","path":"/spooled/2","userAgent":"Mozilla/5.0","id":12345678901234567890}',
    ],
  },
  { lines: ['{"timestamp":"2015-05-17T10:05:04Z","path":"/spooled/3","userAgent":"a"}'] },
  {
    key: 'spool-invalid',
    lines: ['{"timestamp":"2015-05-17T11:05:05Z","path":"/spooled/4","userAgent":"größe"}'],
    invalid: ['{"timestamp":"yesterday","path":"/invalid","userAgent":"a"}'],
  },
  { key: 'spool-last', lines: ['{"timestamp":"2015-05-17T10:05:06Z","path":"/spooled/5","userAgent":"a"}'] },
];

/** How a batch is sent: its body, the path and query, and its headers. */
export function requestOf({ key, lines, invalid = [] }: OldBatch) {
  return {
    body: `[${[...lines, ...invalid].join(',')}]`,
    path: invalid.length > 0 ? '/logs?invalid=skip' : '/logs',
    headers: { 'Content-Type': 'application/json', ...(key !== undefined && { 'Idempotency-Key': key }) },
  };
}

/** The lines of these batches by hour, `2015-05-17T10`, in the order in which they were sent. */
export function linesByHour(batches: readonly OldBatch[]): Map<string, string[]> {
  const hours = new Map<string, string[]>();
  for (const line of batches.flatMap(({ lines }) => lines)) {
    const hour = line.slice('{"timestamp":"'.length).slice(0, 'YYYY-MM-DDTHH'.length);
    hours.set(hour, [...(hours.get(hour) ?? []), line]);
  }
  return hours;
}

/** A copy of folders that version 1.0.0 left, in a temporary folder of its own. */
export async function copyOldState(name: OldState): Promise<Dirs> {
  const dirs = await makeDirs(`logforge-${name}-`);
  await cp(join(OLD_STATE, name), dirs.root, { recursive: true });
  for (const file of await readdir(dirs.root, { recursive: true })) {
    if (!file.endsWith('.gz')) continue;
    const path = join(dirs.root, file);
    await writeFile(path.slice(0, -'.gz'.length), gunzipSync(await readFile(path)));
    await rm(path);
  }
  return dirs;
}
