import type { Lines } from '../lines/chunker.ts';
import type { LineWriter } from '../lines/writer.ts';
import { type KindCount, type RecordKind, SAMPLE_BYTES } from './decode.ts';

interface Count {
  records: number;
  writer: LineWriter | undefined;
  start: number;
  end: number;
}

/** Counts the records of one block by kind, and knows where the last line of each was written. No text is made before the end. */
export class KindCounts {
  readonly #lines: Lines;
  readonly #counts = new Map<RecordKind, Count>();
  /** Of the record before. */
  #kind: RecordKind | undefined;
  #count: Count = { records: 0, writer: undefined, start: 0, end: 0 };
  #writer: LineWriter | undefined;
  #start = 0;

  constructor(lines: Lines) {
    this.#lines = lines;
  }

  /** Called before each record is read. */
  begin(): void {
    this.#writer = this.#lines.writer;
    this.#start = this.#writer.used;
  }

  /** Called after: its kind, or undefined where it was rejected. */
  end(kind: RecordKind | undefined): void {
    if (kind === undefined) return;
    if (kind !== this.#kind) this.#enter(kind);
    const count = this.#count;
    count.records++;
    count.writer = this.#writer;
    count.start = this.#start;
    count.end = this.#writer?.used ?? 0;
  }

  get kinds(): ReadonlyMap<RecordKind, KindCount> {
    return new Map(
      [...this.#counts].map(([kind, count]) => [kind, { records: count.records, sample: sampleOf(count) }]),
    );
  }

  #enter(kind: RecordKind): void {
    this.#kind = kind;
    const known = this.#counts.get(kind);
    this.#count = known ?? { records: 0, writer: undefined, start: 0, end: 0 };
    if (known === undefined) this.#counts.set(kind, this.#count);
  }
}

/** Without the newline. A line that is cut may lose the end of a character. */
function sampleOf({ writer, start, end }: Count): string {
  if (writer === undefined || end <= start) return '';
  const last = Math.min(end - 1, start + SAMPLE_BYTES);
  let to = last;
  if (last < end - 1) while (to > start && ((writer.bytes[to] as number) & 0xc0) === 0x80) to--;
  return writer.bytes.toString('utf8', start, to);
}
