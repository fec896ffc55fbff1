import { BYTES } from '../../model/bytes.ts';
import { startOfText } from '../text/trim-text.ts';
import type { Boundary } from './file-reading.ts';

const { RETURN } = BYTES;

/** A line, row or element of a block that is not blank. */
export interface FileFrame {
  /** Without its delimiter: a view of the block. */
  readonly bytes: Buffer;
  /** Of the frame in its file, from 1. */
  readonly number: number;
}

export interface CutBlock {
  /** Those that are not blank. */
  readonly frames: readonly FileFrame[];
  /** All of them. */
  readonly count: number;
}

/** The frames of a block from `from` on. `number`: of the first. After the last element of an array white space is no frame. */
export function cutBlock(
  block: Buffer,
  boundary: Boundary,
  { from, number, isArray }: { from: number; number: number; isArray: boolean },
): CutBlock {
  const frames: FileFrame[] = [];
  let start = from;
  let count = 0;

  function add(end: number): void {
    const bytes = block.subarray(start, block[end - 1] === RETURN ? Math.max(start, end - 1) : end);
    if (!isBlank(bytes)) frames.push({ bytes, number: number + count });
    count++;
    start = end + 1;
  }

  for (let at = boundary.next(block, start); at >= 0; at = boundary.next(block, start)) add(at);
  if (start < block.length && !(isArray && isBlank(block.subarray(start)))) add(block.length);
  return { frames, count };
}

/** Whether a frame is white space and NULs alone: no record, and nothing to report. */
export function isBlank(bytes: Buffer): boolean {
  return startOfText(bytes, 0, bytes.length) === bytes.length;
}

const MARK = Buffer.from('\ufeff');

/** A block without the byte order mark that a file may begin with. `number`: of its first frame. */
export function withoutMark(block: Buffer, number: number): Buffer {
  return number === 1 && block.subarray(0, MARK.length).equals(MARK) ? block.subarray(MARK.length) : block;
}
