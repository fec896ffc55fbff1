import { createBoundary } from '../framing.ts';
import { cutBlock, type FileFrame, withoutMark } from './cut-block.ts';
import type { DecodedFrames } from './decode-frames.ts';
import type { FileFormat, FileReading } from './file-reading.ts';

/** How the state of an array begins of which the opening bracket was read; that of its lines follows. */
const WITHIN_ARRAY = '[';

/** Lines that say all by themselves, or the elements of a JSON array. `stateOfLines`: what elements left to those after them. */
export function openFrames(
  format: FileFormat,
  state: string,
  decode: (frames: readonly FileFrame[]) => DecodedFrames,
  stateOfLines: () => string = () => '',
): FileReading {
  const isArray = format === 'json';
  const framing = isArray ? 'elements' : 'lines';
  let isWithin = state.startsWith(WITHIN_ARRAY);
  return {
    format,
    framing,
    noun: isArray ? 'record' : 'line',
    get state() {
      return isWithin ? WITHIN_ARRAY + stateOfLines() : '';
    },
    convert(frames, number) {
      const block = withoutMark(frames, number);
      const boundary = createBoundary(framing, isWithin);
      // The bracket that opens the array is a delimiter, and ends no element.
      const from = isArray && !isWithin ? boundary.next(block, 0) + 1 : 0;
      isWithin ||= from > 0;
      const cut = cutBlock(block, boundary, { from, number, isArray });
      return { ...decode(cut.frames), frames: cut.count };
    },
  };
}
