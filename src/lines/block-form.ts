import { BYTES } from '../model/bytes.ts';
import { HEADER_BYTES } from './frame-header.ts';

const { NEWLINE } = BYTES;

/**
 * How whole frames stand in a block. `lines`: each is a line with its newline. `frames`: each stands after a header of its kind and length,
 * as the universal port has it (frame-header.ts).
 */
export type BlockForm = 'lines' | 'frames';

/** How frames follow each other in a block. */
interface FrameWalk {
  /** The offset after the frame at `at`. */
  endOf(block: Buffer, at: number): number;
  readonly headerBytes: number;
}

const WALKS: Readonly<Record<BlockForm, FrameWalk>> = {
  lines: {
    endOf(block, at) {
      const newline = block.indexOf(NEWLINE, at);
      return newline === -1 ? block.length : newline + 1;
    },
    headerBytes: 0,
  },
  frames: {
    endOf: (block, at) => at + HEADER_BYTES + block.readUInt32BE(at + 1),
    headerBytes: HEADER_BYTES,
  },
};

/** The whole frames of a block, one after the other. */
export function* framesOf(form: BlockForm, block: Buffer): Generator<Buffer, void, undefined> {
  const { endOf } = WALKS[form];
  for (let at = 0; at < block.length; ) {
    const end = endOf(block, at);
    yield block.subarray(at, end);
    at = end;
  }
}

export function countFrames(form: BlockForm, block: Buffer): number {
  const { endOf } = WALKS[form];
  let count = 0;
  for (let at = 0; at < block.length; at = endOf(block, at)) count++;
  return count;
}

/** The end of a frame that is near the middle of a block; 0 where the block is one frame. */
export function halveBlock(form: BlockForm, block: Buffer): number {
  const { endOf } = WALKS[form];
  const middle = block.length >> 1;
  let at = endOf(block, 0);
  while (at < middle) {
    const end = endOf(block, at);
    if (end >= block.length) break;
    at = end;
  }
  return at >= block.length ? 0 : at;
}

/** What a frame holds, without its header. */
export function payloadOf(form: BlockForm, frame: Buffer): Buffer {
  return frame.subarray(WALKS[form].headerBytes);
}
