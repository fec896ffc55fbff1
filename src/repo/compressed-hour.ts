import * as fs from 'node:fs';
import type { FramesLength } from './frames-file.ts';
import type { HourFile } from './hour-file.ts';
import {
  DamagedFrameError,
  DamagedHourError,
  decodeFrame,
  decodeTrailer,
  type Frame,
  lastTrailer,
  TRAILER_BYTES,
} from './hour-frames.ts';

/** A frame, or a part of the file that is no frame, and where it is. */
interface Place {
  /** The lines that it holds, as logical offsets. */
  readonly from: number;
  readonly to: number;
  /** Position of the zstd frame in the file. */
  readonly at: number;
  /** Undefined where the file is damaged. */
  readonly frame: Frame | undefined;
}

const SEARCH_BYTES = 256 * 1024;

/**
 * Reads a compressed hour by logical offsets. Walks the trailers from the end, only as far as it is asked to read, and keeps the lines
 * of one frame in memory. `waiting`: committed lines that are in no frame yet. DamagedHourError where a frame cannot be read.
 */
export function createFramesReader(options: {
  readonly path: string;
  readonly fd: number;
  readonly frames: FramesLength;
  readonly waiting: Uint8Array | undefined;
}): HourFile {
  const { path, fd, frames, waiting } = options;
  const size = frames.lines + (waiting?.length ?? 0);
  /** From the end of the file to its beginning. */
  const places: Place[] = [];
  const last: { place: Place | undefined; lines: Buffer } = { place: undefined, lines: Buffer.alloc(0) };

  function read(position: number, length: number): Buffer {
    const buffer = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const count = fs.readSync(fd, buffer, filled, length - filled, position + filled);
      if (count === 0) break;
      filled += count;
    }
    return buffer.subarray(0, filled);
  }

  /** The next place towards the beginning of the file. */
  function walk(): Place {
    const next = places.at(-1);
    const end = next?.at ?? frames.length;
    const to = next?.from ?? frames.lines;
    const trailerAt = end - TRAILER_BYTES;
    const frame = trailerAt < 0 ? undefined : decodeTrailer(read(trailerAt, TRAILER_BYTES));
    if (frame !== undefined && frame.offset + frame.lines === to && frame.zstd <= trailerAt) {
      return { from: frame.offset, to, at: trailerAt - frame.zstd, frame };
    }
    const before = findBefore(end, to);
    return { from: before.lines, to, at: before.length, frame: undefined };
  }

  /** The end of the nearest frame that ends before `end` and before the logical offset `to`; the beginning when there is none. */
  function findBefore(end: number, to: number): FramesLength {
    for (let stop = end - 1; stop >= TRAILER_BYTES; ) {
      const start = Math.max(0, stop - SEARCH_BYTES);
      const bytes = read(start, stop - start);
      for (let at = lastTrailer(bytes); at !== -1; at = lastTrailer(bytes.subarray(0, at + TRAILER_BYTES - 1))) {
        const frame = decodeTrailer(bytes, at) as Frame;
        if (frame.offset + frame.lines <= to)
          return { length: start + at + TRAILER_BYTES, lines: frame.offset + frame.lines };
      }
      if (start === 0) break;
      stop = start + TRAILER_BYTES - 1;
    }
    return { length: 0, lines: 0 };
  }

  function placeOf(position: number): Place {
    let place = places.at(-1);
    while (place === undefined || place.from > position) {
      place = walk();
      places.push(place);
    }
    // Frames may differ in size, so the place is found by halves: places[i].from falls with i.
    let low = 0;
    for (let high = places.length - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if ((places[middle] as Place).from <= position) high = middle;
      else low = middle + 1;
    }
    return places[low] as Place;
  }

  function linesAt(position: number): Buffer {
    const place = placeOf(position);
    if (last.place === place) return last.lines;
    const { frame, at, from, to } = place;
    const damaged = (cause?: unknown): DamagedHourError =>
      new DamagedHourError({ path, offset: from, bytes: to - from, position: at }, { cause });
    if (frame === undefined) throw damaged();
    try {
      last.lines = decodeFrame(read(at, frame.zstd), frame);
    } catch (error) {
      throw error instanceof DamagedFrameError ? damaged(error) : error;
    }
    last.place = place;
    return last.lines;
  }

  return {
    size,
    read(target, offset, length, position) {
      if (position >= frames.lines) {
        const rest = waiting?.subarray(position - frames.lines, position - frames.lines + length) ?? new Uint8Array();
        target.set(rest, offset);
        return rest.length;
      }
      const lines = linesAt(position);
      const start = position - (last.place as Place).from;
      return lines.copy(target, offset, start, Math.min(lines.length, start + length));
    },
    close: () => fs.closeSync(fd),
  };
}
