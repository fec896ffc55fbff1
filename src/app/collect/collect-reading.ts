import { type FileReading, UnreadableFileError } from '../../decode/files/file-reading.ts';
import type { OpenReading } from '../../inputs/files/files.ts';
import type { RecordKind } from '../../model/record-kinds.ts';
import type { FilterLines, TaggedLines, TagLines } from '../../transform/transform.ts';

/** What is known of a block when it was read, beside its lines. */
export interface BlockNotes extends Pick<TaggedLines, 'levels' | 'tags'> {
  readonly kind: RecordKind;
  readonly filtered: number;
  /** Milliseconds, on a clock that only goes forward. */
  readonly readAt: number;
}

export interface CollectReadings {
  readonly open: OpenReading;
  /** Of the block with this body. */
  notesOf(body: Buffer): BlockNotes;
}

const UNKNOWN: BlockNotes = { levels: new Map(), tags: new Map(), kind: 'raw', filtered: 0, readAt: 0 };

/** Readings that leave out lines before they are read, and tag the records. */
export function createCollectReadings(
  open: OpenReading,
  {
    filter,
    tag,
    now,
  }: { readonly filter?: FilterLines | undefined; readonly tag: TagLines; readonly now: () => number },
): CollectReadings {
  /** They live as long as the bodies. */
  const notes = new WeakMap<Buffer, BlockNotes>();

  function openOne(...args: Parameters<OpenReading>): FileReading {
    const reading = open(...args);
    const { format, framing, noun } = reading;
    if (filter !== undefined && framing !== 'lines') {
      throw new UnreadableFileError(`the file is ${format}, of ${noun}s that --filter cannot read; it is for lines`);
    }
    const kind = format === 'ndjson' || format === 'json' ? 'json' : 'raw';
    return {
      format,
      framing,
      noun,
      get state() {
        return reading.state;
      },
      convert(frames, number) {
        const readAt = now();
        const { block, leftOut } = filter?.(frames) ?? { block: frames, leftOut: 0 };
        const converted = reading.convert(block, number);
        const { lines: body, levels, tags } = tag(converted.body);
        notes.set(body, { levels, tags, kind, filtered: leftOut, readAt });
        return { ...converted, body };
      },
    };
  }

  return { open: openOne, notesOf: (body) => notes.get(body) ?? UNKNOWN };
}
