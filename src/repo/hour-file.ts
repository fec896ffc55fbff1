import * as fs from 'node:fs';
import { join } from 'node:path';
import { isMissing } from '../disk/missing.ts';
import { type Hour, MAX_HOUR, MIN_HOUR, parseHour, type StreamHour, type StreamRange } from '../model/hour.ts';
import { ACCESS_STREAM, isDefaultStream, isStreamName, type StreamName } from '../model/stream.ts';
import type { CommittedHour } from './repo.ts';
import { streamFolder } from './stream-folders.ts';

/**
 * A part of an hour that cannot be read: [offset, offset + bytes) of the plain lines. Both ends are ends of lines, so a reader goes on after
 * it. `read` of HourFile throws it; what stands before `offset` can still be read.
 */
export class DamagedHourError extends Error {
  override readonly name = 'DamagedHourError';
  readonly hour: StreamHour;
  readonly offset: number;
  readonly bytes: number;

  constructor(reason: string, damage: { readonly hour: StreamHour; readonly offset: number; readonly bytes: number }) {
    super(reason);
    this.hour = damage.hour;
    this.offset = damage.offset;
    this.bytes = damage.bytes;
  }
}

/** The part that an error of a read names; undefined for any other error. */
export function damagedRange(error: unknown): DamagedHourError | undefined {
  return error instanceof DamagedHourError ? error : undefined;
}

/** The lines of an hour, open for reading. Its calls block, so they are for threads that serve no requests. */
export interface HourFile {
  /** Length in bytes when it was opened. Lines that are not committed may count. */
  readonly size: number;
  /** Reads up to `length` bytes at `position` into `target` at `offset`, and gives how many; 0 at the end. */
  read(target: Buffer, offset: number, length: number, position: number): number;
  close(): void;
}

/**
 * Opens an hour for reading, whatever its form: positions are those of the plain lines. Undefined where there is no file. The way for
 * every reader: nobody else opens a path of an hour.
 */
export function openHour({ path }: CommittedHour): HourFile | undefined {
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

/** The hours of one stream that have a file under `logsDir`, in order. */
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
    const [, hh] = /^(\d\d)\.log\.json$/.exec(name) ?? [];
    return (hh === undefined ? undefined : parseHour(`${day}T${hh}`)) ?? [];
  });
  return hours.sort((a, b) => a - b);
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
