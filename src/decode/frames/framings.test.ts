import { describe, expect, test } from 'vitest';
import { countFrames, framesOf, halveBlock, payloadOf } from '../../lines/block-form.ts';
import { FRAME_KINDS, writeHeader } from '../../lines/frame-header.ts';
import { type BlockFraming, FrameError } from '../decode.ts';
import { createCountedFraming } from './counted-framing.ts';
import { createNewlineFraming } from './newline-framing.ts';
import { createUniversalFraming } from './universal-framing.ts';

const MAX = 64;

interface Seen {
  /** Payloads, with the kind before them where there is one; of a frame that is too long `-` and its length. */
  readonly frames: string[];
  fault?: string;
  unfinished: number;
}

/** What a framing makes of the bytes of one sender, cut into pieces of these sizes, again and again. */
function read(framing: BlockFraming, bytes: Buffer, sizes: readonly number[]): Seen {
  const seen: Seen = { frames: [], unfinished: 0 };
  const framer = framing.create((beginning, length) =>
    seen.frames.push(`-${length} ${beginning.toString('latin1', 0, 8)}`),
  );
  const emit = (block: Buffer) => {
    for (const frame of framesOf(framing.form, block)) {
      const kind = framing.form === 'frames' ? `${frame[0]}:` : '';
      seen.frames.push(kind + payloadOf(framing.form, frame).toString('latin1'));
    }
  };
  try {
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = sizes[i % sizes.length] ?? 1;
      // The memory of a piece is used again.
      const piece = Buffer.from(bytes.subarray(at, at + size));
      framer.push(piece, emit);
      piece.fill(0);
      seen.unfinished = framer.unfinished;
      at += size;
    }
    framer.end(emit);
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    seen.fault = error.message;
  }
  return seen;
}

function universal(kind: number, payload: string): Buffer {
  const bytes = Buffer.alloc(5 + payload.length);
  bytes.write(payload, writeHeader(bytes, 0, kind, payload.length), 'latin1');
  return bytes;
}

const long = 'x'.repeat(MAX + 1);
const atLimit = 'y'.repeat(MAX);

const CASES: readonly {
  readonly name: string;
  readonly framing: BlockFraming;
  readonly bytes: Buffer;
  readonly frames: readonly string[];
}[] = [
  {
    name: 'newline',
    framing: createNewlineFraming({ maxFrameBytes: MAX }),
    bytes: Buffer.from(`one\n\ntwo\r\n${long}\n${atLimit.slice(1)}\nthree\n${long}${long}\nlast`),
    frames: ['one\n', '\n', 'two\r\n', '-66 xxxxxxxx', `${atLimit.slice(1)}\n`, 'three\n', '-131 xxxxxxxx', 'last\n'],
  },
  {
    name: 'universal',
    framing: createUniversalFraming({ maxFrameBytes: MAX }),
    bytes: Buffer.concat([
      universal(1, '{}'),
      universal(4, ''),
      universal(2, atLimit),
      universal(3, long),
      universal(9, 'odd'),
      universal(4, 'end'),
    ]),
    frames: ['1:{}', '4:', `2:${atLimit}`, '-65 xxxxxxxx', '9:odd', '4:end'],
  },
  {
    name: 'octet-counted',
    framing: createCountedFraming({ maxFrameBytes: MAX, kind: FRAME_KINDS.json, orLines: false }),
    bytes: Buffer.from(`2 {}5 a\nb\nc\n3 end65 ${long}64 ${atLimit}`),
    frames: ['1:{}', '1:a\nb\nc', '1:end', '-65 xxxxxxxx', `1:${atLimit}`],
  },
  {
    name: 'octet-counted and lines',
    framing: createCountedFraming({ maxFrameBytes: MAX, kind: FRAME_KINDS.text, orLines: true }),
    bytes: Buffer.from(
      `7 <6>a\nb\n<7>line\n\r\n17 May: a line\n2025-05-17 too\n6 <1>cd${'' /* joined */}\n${long}\n<2>last`,
    ),
    frames: [
      '4:<6>a\nb\n',
      '4:<7>line',
      '4:17 May: a line',
      '4:2025-05-17 too',
      '4:<1>cd\n',
      '-65 xxxxxxxx',
      '4:<2>last',
    ],
  },
];

const SPLITS: readonly (readonly number[])[] = [[1_000_000], [1], [2], [3], [7], [64], [1, 40], [5, 1, 100]];

describe.each(CASES)('$name framing', ({ framing, bytes, frames }) => {
  test.each(SPLITS.map((sizes) => ({ sizes })))('finds the same frames in pieces of $sizes', ({ sizes }) => {
    const seen = read(framing, bytes, sizes);
    expect([seen.frames, seen.fault]).toEqual([frames, undefined]);
    expect(seen.unfinished).toBeLessThanOrEqual(MAX + 5);
  });
});

describe('a frame whose end cannot be known', () => {
  const { framing } = CASES[1] as (typeof CASES)[number];
  const counted = (CASES[2] as (typeof CASES)[number]).framing;

  test.each([
    ['plain HTTP at the universal port', framing, Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a length that none has', framing, Buffer.from([1, 0xff, 0xff, 0xff, 0xff, 1])],
    ['an unknown format, with a long frame', framing, universal(7, long)],
    ['the end within a header', framing, Buffer.from([1, 0])],
    ['the end within a payload', framing, universal(1, 'cut').subarray(0, 7)],
    ['no length', counted, Buffer.from('{}')],
    ['a length of zero', counted, Buffer.from('0 ')],
    ['a length without a space', counted, Buffer.from('12x')],
    ['a length of nine digits', counted, Buffer.from('123456789 ')],
    ['the end within a counted payload', counted, Buffer.from('9 <1>')],
  ])('%s: what came before is taken, in any pieces', (_, one, fault) => {
    const good = one === counted ? Buffer.from('2 {}') : universal(1, '{}');
    for (const sizes of SPLITS) {
      const seen = read(one, Buffer.concat([good, fault]), sizes);
      expect(seen.frames).toEqual(['1:{}']);
      expect(seen.fault).toMatch(/frame/);
    }
  });
});

test('a block is cut in two at the end of a frame, until one frame is left', () => {
  for (const { framing, bytes } of CASES) {
    const blocks: Buffer[] = [];
    const framer = framing.create(() => undefined);
    framer.push(bytes, (block) => blocks.push(Buffer.from(block)));
    const block = Buffer.concat(blocks);
    const whole = [...framesOf(framing.form, block)];
    expect(countFrames(framing.form, block)).toBe(whole.length);
    const cut = (part: Buffer): Buffer[] => {
      const middle = halveBlock(framing.form, part);
      return middle === 0 ? [part] : [...cut(part.subarray(0, middle)), ...cut(part.subarray(middle))];
    };
    expect(cut(block)).toEqual(whole);
  }
});
