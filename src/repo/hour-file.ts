import * as fs from 'node:fs';
import { join } from 'node:path';
import { isMissing } from '../disk/missing.ts';
import { type Hour, MAX_HOUR, MIN_HOUR, parseHour, type StreamHour, type StreamRange } from '../model/hour.ts';
import { ACCESS_STREAM, isDefaultStream, isStreamName, type StreamName } from '../model/stream.ts';
import { CompressedHour } from './compressed-hour.ts';
import { COMPRESSED } from './data-files.ts';
import { findLastFrameSync } from './frames-file.ts';
import { DamagedHourError } from './hour-frames.ts';
import type { CommittedHour, HourDamage, HourFile } from './repo.ts';
import { streamFolder } from './stream-folders.ts';

/** The part of an hour that an error of a read names; undefined for any other error. A reader goes on after it. */
export function damagedRange(error: unknown): HourDamage | undefined {
  if (!(error instanceof DamagedHourError)) return undefined;
  const { offset, bytes, position, message } = error;
  return { offset, bytes, position, reason: message };
}

/**
 * Opens an hour for reading, whatever its form: positions are those of the plain lines. Undefined where there is no file. The way for
 * every reader: nobody else opens a path of an hour. A read rejects with DamagedHourError where a frame is damaged.
 */
export function openHour(committed: CommittedHour): HourFile | undefined {
  const { path, frames } = committed;
  if (frames !== undefined) return openCompressed(path, committed);
  const plain = openRegular(path);
  // A plain hour that is not there any more may have been compressed meanwhile. It has all lines that it had.
  if (plain === undefined) return openCompressed(`${path}${COMPRESSED}`, committed);
  return createPlainReader(plain, () => openCompressed(`${path}${COMPRESSED}`, committed));
}

function openCompressed(path: string, { frames, waiting }: CommittedHour): HourFile | undefined {
  const opened = openRegular(path);
  if (opened === undefined) return undefined;
  const { fd, size } = opened;
  try {
    const found = frames ?? findLastFrameSync(fd, { path, size });
    return new CompressedHour({ path, fd, frames: found, waiting });
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/** A deleted plain file is cut in steps while it is read here (hours-on-disk.ts). `reopen` then gives the hour in its new form, if there is one. */
function createPlainReader({ fd, size }: Opened, reopen: () => HourFile | undefined): HourFile {
  let next: HourFile | undefined;
  return {
    size,
    read(target, offset, length, position) {
      if (next !== undefined) return next.read(target, offset, length, position);
      const count = fs.readSync(fd, target, offset, length, position);
      if (count > 0 || position >= size || fs.fstatSync(fd).nlink > 0) return count;
      next = reopen();
      return next?.read(target, offset, length, position) ?? 0;
    },
    close() {
      next?.close();
      fs.closeSync(fd);
    },
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
  const hours: Hour[] = [];
  for await (const hour of hoursInRange(logsDir, { stream, from: MIN_HOUR, to: MAX_HOUR + 1 })) hours.push(hour);
  return hours;
}

/** Those in [from, to), listed day by day as they are asked for; backwards where `isBackward`. */
export async function* hoursInRange(
  logsDir: string,
  { stream, from, to, isBackward = false }: StreamRange & { readonly isBackward?: boolean },
): AsyncGenerator<Hour, undefined> {
  const folder = streamFolder(logsDir, stream);
  const days = (await foldersIn(folder)).flatMap((day) => {
    const first = parseHour(`${day}T00`);
    return first === undefined || first >= to || first + 24 <= from ? [] : [{ day, first }];
  });
  days.sort((a, b) => a.first - b.first);
  for (const { day } of isBackward ? days.reverse() : days) {
    const hours = (await hoursOfDay(join(folder, day), day)).filter((hour) => hour >= from && hour < to);
    yield* isBackward ? hours.reverse() : hours;
  }
}

async function hoursOfDay(folder: string, day: string): Promise<Hour[]> {
  const hours = (await namesIn(folder)).flatMap((name) => {
    const [, hh] = /^(\d\d)\.log\.json(?:\.zst)?$/.exec(name) ?? [];
    return (hh === undefined ? undefined : parseHour(`${day}T${hh}`)) ?? [];
  });
  // An hour that is being compressed may have two files.
  return [...new Set(hours)].sort((a, b) => a - b);
}

/** None where the folder went away, as when its hours were removed. */
async function namesIn(folder: string): Promise<string[]> {
  return fs.promises.readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
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
