import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { createFolderMaker, syncPathSync } from '../disk/folders.ts';
import { isAbsent } from '../disk/missing.ts';
import { replaceFileSync } from '../disk/replace-file.ts';
import { hourToPath, type StreamHour } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import { streamFolder } from './stream-folders.ts';

/*
 * <analyticsDir>/.checksums/YYYY-MM-DD.json, and of a stream <analyticsDir>/<stream>/.checksums/YYYY-MM-DD.json: the checksums of the
 * summaries of a day, the newest last:
 *
 *   {"10":["4f3a9c01-2381","0b7d11fe-2410"]}           crc32 of the file in hexadecimal, and its length
 *
 * A checksum is added before its file is renamed into place, so the one before stays: after a crash between the two steps the file is the
 * old one. A summary without a checksum was written by an older version, or its day was restored without this folder: then only its form
 * and its sums are checked.
 */

/** Checksums kept of a summary. */
const KEPT = 3;
const FILE_MODE = 0o640;

/** Blocking, like the summary files they belong to. */
export function createSummaryChecksums({
  analyticsDir,
  durability,
}: {
  readonly analyticsDir: string;
  /** See SummaryFilesOptions. */
  readonly durability: 'disk' | 'later' | 'os';
}) {
  const durable = durability === 'disk';
  const pathOf = (stream: StreamName, day: string) =>
    join(streamFolder(analyticsDir, stream), '.checksums', `${day}.json`);
  const makeFolder = createFolderMaker(durability !== 'os');

  return {
    /** Those that the summary of the hour may have; none where nothing is known of it. */
    of({ stream, hour }: StreamHour): readonly string[] {
      const { day, hh } = hourToPath(hour);
      return readDay(pathOf(stream, day)).get(hh) ?? [];
    },

    add({ stream, hour }: StreamHour, checksum: string): void {
      const { day, hh } = hourToPath(hour);
      const path = pathOf(stream, day);
      const known = readDay(path);
      const before = (known.get(hh) ?? []).filter((other) => other !== checksum);
      known.set(hh, [...before, checksum].slice(-KEPT));
      makeFolder(dirname(path));
      replaceFileSync(path, [JSON.stringify(Object.fromEntries(known))], { durable, mode: FILE_MODE });
    },

    sync({ stream, hour }: StreamHour): void {
      const path = pathOf(stream, hourToPath(hour).day);
      if (!fs.existsSync(path)) return;
      syncPathSync(path);
      syncPathSync(dirname(path));
    },
  };
}

/** A file that cannot be read as one says nothing: a power cut may have left it empty. */
function readDay(path: string): Map<string, readonly string[]> {
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return new Map();
    throw new Error(`cannot read checksums path=${path}`, { cause: error });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return new Map();
    return new Map(Object.entries(value).flatMap(([hh, list]) => (isTexts(list) ? [[hh, list]] : [])));
  } catch {
    return new Map();
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/** The checksum of bytes that come one after the other. */
export function createSeal() {
  let crc = 0;
  let length = 0;
  return {
    /** Adds the first `filled` bytes, and gives their number. */
    add(bytes: Buffer, filled: number): number {
      if (filled > 0) crc = crc32(bytes.subarray(0, filled), crc);
      length += filled;
      return filled;
    },
    text: () => `${crc.toString(16).padStart(8, '0')}-${length}`,
  };
}

/** The same pieces. After the last one is taken, `done` gets the checksum of all. */
export function* seal(pieces: Iterable<string>, done: (checksum: string) => void): Generator<string> {
  const all = createSeal();
  for (const piece of pieces) {
    const bytes = Buffer.from(piece);
    all.add(bytes, bytes.length);
    yield piece;
  }
  done(all.text());
}
