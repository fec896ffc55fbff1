import * as fs from 'node:fs';
import { findLastFrameSync } from '../../src/repo/frames-file.ts';
import { openHour } from '../../src/repo/hour-file.ts';
import { TRAILER_BYTES } from '../../src/repo/hour-frames.ts';

/** The plain lines of an hour's file, whatever its form. A compressed one must end in a whole frame, and all of it must be sound. */
export function readHourFile(path: string): Buffer {
  if (!path.endsWith('.zst')) return fs.readFileSync(path);
  const { size } = fs.statSync(path);
  const fd = fs.openSync(path, 'r');
  const frames = findLastFrameSync(fd, { path, size });
  fs.closeSync(fd);
  if (frames.length !== size && size > TRAILER_BYTES)
    throw new Error(`${path} has ${size - frames.length} bytes after its last frame`);
  const file = openHour({ stream: 'access', hour: 0, path, bytes: frames.lines, frames });
  if (file === undefined) throw new Error(`${path} is gone`);
  try {
    const lines = Buffer.alloc(frames.lines);
    for (let at = 0; at < lines.length; ) at += file.read(lines, at, lines.length - at, at);
    return lines;
  } finally {
    file.close();
  }
}
