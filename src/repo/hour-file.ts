import * as fs from 'node:fs';
import { join } from 'node:path';
import { isMissing } from '../disk/missing.ts';
import { type Hour, parseHour, type StreamHour } from '../model/hour.ts';
import { ACCESS_STREAM, isDefaultStream, isStreamName, type StreamName } from '../model/stream.ts';
import { CompressedHour } from './compressed-hour.ts';
import { COMPRESSED } from './data-files.ts';
import { findLastFrameSync } from './frames-file.ts';
import type { CommittedHour, HourFile } from './repo.ts';
import { streamFolder } from './stream-folders.ts';

/**
 * Opens an hour for reading, whatever its form: positions are those of the plain lines. Undefined where there is no file. The way for
 * every reader: nobody else opens a path of an hour. A read rejects with DamagedHourError where a frame is damaged.
 */
export function openHour({ path, frames, waiting }: CommittedHour): HourFile | undefined {
  const plain = frames === undefined ? openRegular(path) : undefined;
  if (plain !== undefined) return createPlainReader(plain);
  // A plain hour that is not there any more may have been compressed meanwhile. It has all lines that it had.
  const compressedPath = frames === undefined ? `${path}${COMPRESSED}` : path;
  const opened = openRegular(compressedPath);
  if (opened === undefined) return undefined;
  const { fd, size } = opened;
  try {
    const found = frames ?? findLastFrameSync(fd, { path: compressedPath, size });
    return new CompressedHour({ path: compressedPath, fd, frames: found, waiting });
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

function createPlainReader({ fd, size }: Opened): HourFile {
  return {
    size,
    read: (target, offset, length, position) => fs.readSync(fd, target, offset, length, position),
    close: () => fs.closeSync(fd),
  };
}

interface Opened {
  readonly fd: number;
  readonly size: number;
}

function openRegular(path: string): Opened | undefined {
  let fd: number;
  try {
    // O_NONBLOCK: a FIFO that somebody put there must not hold up the thread.
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new Error(`cannot open hour file path=${path}`, { cause: error });
  }
  const stats = fs.fstatSync(fd);
  if (stats.isFile()) return { fd, size: stats.size };
  fs.closeSync(fd);
  throw new Error(`cannot read hour file path=${path}: it is not a regular file; move it away`);
}

/** The hours of all streams that have a file under `logsDir`; none where the folder is missing. Other files are ignored. */
export async function listAllHours(logsDir: string): Promise<StreamHour[]> {
  const hours: StreamHour[] = [];
  for (const stream of await listStreams(logsDir))
    for (const hour of await listHours(logsDir, stream)) hours.push({ stream, hour });
  return hours;
}

/** The default stream, and each that has a folder under `logsDir`. */
export async function listStreams(logsDir: string): Promise<StreamName[]> {
  const found = (await foldersIn(logsDir)).filter((name) => isStreamName(name) && !isDefaultStream(name));
  return [ACCESS_STREAM.name, ...found.sort()];
}

/** The hours of one stream that have a file of any form under `logsDir`, in order. */
export async function listHours(logsDir: string, stream: StreamName): Promise<Hour[]> {
  const folder = streamFolder(logsDir, stream);
  const hours = new Set<Hour>();
  for (const day of await foldersIn(folder)) {
    if (parseHour(`${day}T00`) === undefined) continue;
    for (const name of await fs.promises.readdir(join(folder, day))) {
      const [, hh] = /^(\d\d)\.log\.json(?:\.zst)?$/.exec(name) ?? [];
      const hour = hh === undefined ? undefined : parseHour(`${day}T${hh}`);
      if (hour !== undefined) hours.add(hour);
    }
  }
  return [...hours].sort((a, b) => a - b);
}

/** The names of folders. A power cut may have taken the folder, and a full disk may keep a start from making it again. */
async function foldersIn(path: string): Promise<string[]> {
  try {
    const entries = await fs.promises.readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
