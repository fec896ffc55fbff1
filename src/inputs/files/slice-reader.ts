import type { Converted, FileReading } from '../../decode/decode.ts';
import {
  BLOCK_BYTES,
  type FilePosition,
  type KnownFile,
  MAX_FRAME_BYTES,
  type Slice,
  type SliceBounds,
} from './files.ts';
import { type CreateBoundary, type Cut, type CutLimits, SliceCutter } from './slice-cutter.ts';

export interface SliceReaderOptions {
  /** Of the slices: see Slice. */
  readonly name: string;
  /** Where the reading begins, and which slices earlier runs may have sent from there. */
  readonly known: Pick<KnownFile, 'id' | 'offset' | 'number' | 'state' | 'noted'>;
  /** Opened with the state of `known`. */
  readonly reading: FileReading;
  readonly createBoundary: CreateBoundary;
  /** Frames in a slice, at most. */
  readonly batch?: number | undefined;
}

export interface ReadSlice {
  readonly slice: Slice;
  /** Others could not find its bounds again: they are noted before it is sent. */
  readonly mustNote: boolean;
}

/** Slices of one file that may be under way. */
export const MAX_CONCURRENCY = 64;

const NOTHING: Converted = { body: Buffer.alloc(0), records: 0, frames: 0, unreadable: [] };

/**
 * Bytes of one file, added in order from the offset of `known` on, to converted slices. Slices that an earlier run has noted come again first,
 * with the same bounds. Holds less than a slice beside what was added.
 */
export class SliceReader {
  readonly #options: SliceReaderOptions;
  readonly #reading: FileReading;
  #cutter: SliceCutter;
  #position: FilePosition;
  #noted: readonly SliceBounds[];
  /** Beyond this offset no earlier run has sent anything. */
  readonly #newFrom: number;

  constructor(options: SliceReaderOptions) {
    const { known, reading } = options;
    this.#options = options;
    this.#reading = reading;
    this.#position = { offset: known.offset, number: known.number, state: known.state };
    this.#noted = known.noted.filter(({ from }) => from >= known.offset);
    this.#cutter = this.#createCutter();
    const isNew = known.offset === 0 && this.#noted.length === 0;
    const last = Math.max(known.offset, ...this.#noted.map(({ to }) => to));
    this.#newFrom = isNew ? 0 : last + MAX_CONCURRENCY * BLOCK_BYTES;
  }

  /** After the last slice that was given. */
  get position(): FilePosition {
    return this.#position;
  }

  /** Offset of the next byte to add. */
  get added(): number {
    return this.#cutter.added;
  }

  /** See FileReading. */
  get format(): string {
    return this.#reading.format;
  }

  get noun(): string {
    return this.#reading.noun;
  }

  /** Bytes after the last slice that was given. */
  get unfinished(): number {
    return this.#cutter.added - this.#position.offset;
  }

  /** Slices that were noted are still to be read: up to this offset. */
  get notedTo(): number {
    return this.#noted.at(-1)?.to ?? 0;
  }

  add(piece: Buffer): void {
    this.#cutter.add(piece);
  }

  /** The next slice whose end was added. Throws where the file cannot be cut into frames. */
  next(): ReadSlice | undefined {
    return this.#convert(this.#cutter.next(this.#limits()));
  }

  /** What there is of whole frames, after `next` found no slice: there is no more for now. Noted slices come whole or not at all. */
  partial(): ReadSlice | undefined {
    return this.#noted.length > 0 ? undefined : this.#convert(this.#cutter.partial());
  }

  /** The same with an unfinished last frame, since there is no more at all. Throws where the file must not end here. */
  last(): ReadSlice | undefined {
    return this.#noted.length > 0 ? undefined : this.#convert(this.#cutter.last());
  }

  /** Forgets the bytes after the last slice; those from the position on are added again. Not so the beginning of a frame that is too long. */
  rewind(): void {
    if (!this.#cutter.isTooLong) this.#cutter.drop();
  }

  #limits(): CutLimits {
    const from = this.#position.offset;
    const [next] = this.#noted;
    if (next?.from === from) return { at: next.to };
    // What an earlier run had under way after its position was cut by its rules, and at any rate at the borders of blocks.
    const frames = from < this.#newFrom ? undefined : this.#options.batch;
    return { atMost: next?.from, frames };
  }

  #convert(cut: Cut | undefined): ReadSlice | undefined {
    if (cut === undefined) return undefined;
    const { name, known, batch } = this.#options;
    const { from, to, bytes } = cut;
    const number = this.#position.number + 1;
    const { framing } = this.#reading;
    const whole = bytes.length === 0 ? NOTHING : this.#reading.convert(bytes, number);
    const converted = addTooLong(whole, cut, number);
    this.#position = { offset: to, number: this.#position.number + converted.frames, state: this.#reading.state };
    // A block that was not of the format at all may have shown another one.
    if (this.#reading.framing !== framing) this.#cutter = this.#createCutter(this.#cutter);
    const isNoted = this.#noted[0]?.from === from;
    this.#noted = this.#noted.filter((bounds) => bounds.from >= to);
    // With a batch a later run may cut at other places. And a file of which nothing is noted is taken for new.
    const mustNote = !isNoted && (!cut.isBorder || batch !== undefined || from === 0);
    return {
      slice: { name, id: known.id, from, to, number, bytes, converted, position: this.#position },
      mustNote,
    };
  }

  #createCutter(before?: SliceCutter): SliceCutter {
    const { createBoundary } = this.#options;
    const { framing } = this.#reading;
    const cutter = new SliceCutter({ framing, createBoundary, from: this.#position.offset });
    for (const piece of before?.release() ?? []) cutter.add(piece);
    return cutter;
  }
}

function addTooLong(converted: Converted, { tooLong }: Cut, first: number): Converted {
  if (tooLong === undefined) return converted;
  const { beginning, bytes } = tooLong;
  const reason = `longer than ${MAX_FRAME_BYTES} bytes: it has ${bytes}`;
  const unreadable = { number: first + converted.frames, reason, bytes: beginning };
  return { ...converted, frames: converted.frames + 1, unreadable: [...converted.unreadable, unreadable] };
}
