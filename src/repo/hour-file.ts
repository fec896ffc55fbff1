import * as fs from 'node:fs';
import { join } from 'node:path';
import { isMissing } from '../disk/missing.ts';
import { type Hour, parseHour } from '../model/hour.ts';

/** An hour's file, open for reading. Its calls block, so they are for the aggregator's thread only. */
export interface HourFile {
  /** Length in bytes when it was opened. Bytes that are not committed count. */
  readonly size: number;
  /** Reads up to `length` bytes at `position` into `target` at `offset`, and gives how many; 0 at the end. */
  read(target: Buffer, offset: number, length: number, position: number): number;
  close(): void;
}

/** Undefined when there is no such file. */
export function openHourFile(path: string): HourFile | undefined {
  let fd: number;
  try {
    // O_NONBLOCK: a FIFO that somebody put there must not hold up the thread.
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new Error(`cannot open hour file path=${path}`, { cause: error });
  }
  const stats = fs.fstatSync(fd);
  if (!stats.isFile()) {
    fs.closeSync(fd);
    throw new Error(`cannot read hour file path=${path}: it is not a regular file; move it away`);
  }
  return {
    size: stats.size,
    read: (target, offset, length, position) => fs.readSync(fd, target, offset, length, position),
    close: () => fs.closeSync(fd),
  };
}

/** The hours that have a file under `logsDir`, in order; none where the folder is missing. Other files are ignored. */
export async function listHours(logsDir: string): Promise<Hour[]> {
  const hours: Hour[] = [];
  for (const day of await foldersIn(logsDir)) {
    if (!day.isDirectory() || parseHour(`${day.name}T00`) === undefined) continue;
    for (const name of await fs.promises.readdir(join(logsDir, day.name))) {
      const [, hh] = /^(\d\d)\.log\.json$/.exec(name) ?? [];
      const hour = hh === undefined ? undefined : parseHour(`${day.name}T${hh}`);
      if (hour !== undefined) hours.push(hour);
    }
  }
  return hours.sort((a, b) => a - b);
}

/** A power cut may have taken the folder, and a full disk may keep a start from making it again. */
async function foldersIn(path: string): Promise<fs.Dirent[]> {
  try {
    return await fs.promises.readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
