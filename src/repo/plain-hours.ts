import { lstat } from 'node:fs/promises';
import { isMissing } from '../disk/missing.ts';
import { type Hour, MIN_HOUR, MS_PER_HOUR } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import { UNFINISHED } from './compaction.ts';
import { DataFiles } from './data-files.ts';
import { hoursInRange } from './hour-file.ts';

/** An hour that has a plain file. */
export interface PlainHour {
  readonly stream: StreamName;
  readonly hour: Hour;
  /** Of the plain file. */
  readonly bytes: number;
  /** Whether it has got no bytes for as long as was asked. */
  readonly isAtRest: boolean;
  /** Whether there is a compressed file too, or the beginning of one: compressing was interrupted. */
  readonly hasLeftovers: boolean;
}

/** The hours of a stream that ended `restMs` ago or earlier and have a plain file, oldest first. `now`: Unix ms. Reads a day at a time. */
export async function* listPlainHours(
  logsDir: string,
  { stream, restMs, now }: { readonly stream: StreamName; readonly restMs: number; readonly now: number },
): AsyncGenerator<PlainHour, undefined> {
  const files = new DataFiles({ logsDir, dlqDir: logsDir });
  const to = Math.floor((now - restMs) / MS_PER_HOUR);
  for await (const hour of hoursInRange(logsDir, { stream, from: MIN_HOUR, to })) {
    const { path, compressed } = files.ofHour({ stream, hour });
    const plain = await statIfThere(path);
    if (plain?.isFile() !== true) continue;
    const hasLeftovers = (await isThere(compressed.path)) || (await isThere(`${compressed.path}${UNFINISHED}`));
    yield { stream, hour, bytes: plain.size, isAtRest: plain.mtimeMs <= now - restMs, hasLeftovers };
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await statIfThere(path)) !== undefined;
}

async function statIfThere(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
