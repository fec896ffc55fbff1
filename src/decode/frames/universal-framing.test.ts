import { expect, it } from 'vitest';
import { FRAME_KINDS, HEADER_BYTES, writeHeader } from '../../lines/frame-header.ts';
import { createUniversalFraming } from './universal-framing.ts';

function frame(text: string): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + text.length);
  bytes.write(text, writeHeader(bytes, 0, FRAME_KINDS.text, text.length));
  return bytes;
}

it.each([1_000, 50])('keeps nothing of the next frame with one that is too long, in pieces of %i bytes', (bytes) => {
  const letters: string[] = [];
  const framer = createUniversalFraming({ maxFrameBytes: 64 }).create((beginning) =>
    letters.push(beginning.toString()),
  );
  const input = Buffer.concat([frame('x'.repeat(100)), frame('next')]);
  const frames: string[] = [];
  for (let at = 0; at < input.length; at += bytes)
    framer.push(input.subarray(at, at + bytes), (whole) => frames.push(whole.toString('latin1')));
  expect(letters).toEqual(['x'.repeat(100)]);
  expect(frames).toEqual([frame('next').toString('latin1')]);
});
