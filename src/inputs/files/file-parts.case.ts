import { createHash } from 'node:crypto';
import type { FileReading } from '../../decode/decode.ts';
import { createBoundary } from '../../decode/framing.ts';
import type { Checkpoint, SeenFile } from './checkpoint.ts';
import type { DeliverSlice, FilePosition, KnownFile, PackedState, Slice } from './files.ts';

/** A reading of plain lines: each frame that is not blank is one line of the body, as it is; `bad…` cannot be read. Its state counts frames. */
export function openLines(state = '', framing: FileReading['framing'] = 'lines'): FileReading {
  let count = Number(state);
  return {
    format: 'ndjson',
    framing,
    noun: framing === 'elements' ? 'record' : 'line',
    get state() {
      return String(count);
    },
    convert(block, number) {
      const isArray = framing === 'elements';
      const boundary = createBoundary(framing, count > 0);
      const frames: string[] = [];
      let from = 0;
      for (let at = boundary.next(block, 0); at >= 0; at = boundary.next(block, from)) {
        if (!(isArray && count === 0 && from === 0)) frames.push(block.toString('latin1', from, at));
        from = at + 1;
      }
      const rest = block.toString('latin1', from);
      if (rest !== '' && !(isArray && rest.trim() === '')) frames.push(rest);
      count += frames.length;
      const lines = frames.filter((text) => text.trim() !== '' && !text.startsWith('bad'));
      const unreadable = frames.flatMap((text, index) =>
        text.startsWith('bad') ? [{ number: number + index, reason: 'bad', bytes: Buffer.from(text) }] : [],
      );
      const body = Buffer.from(lines.map((text) => `${text}\n`).join(''), 'latin1');
      return { body, records: lines.length, frames: frames.length, unreadable };
    },
  };
}

/** A checkpoint in memory that knows a file by its path. What was written to it is what a later run finds. */
export class MemoryCheckpoint implements Checkpoint {
  readonly files = new Map<string, KnownFile>();
  readonly commits: FilePosition[] = [];

  identify({ path, device, inode, head }: SeenFile): Promise<KnownFile> {
    const found = [...this.files.values()].find((known) => known.path === path);
    const hash = createHash('sha256').update(head).digest('hex');
    const known: KnownFile = found ?? {
      ...{ id: `id-${this.files.size + 1}`, stream: 'access', path, device, inode, head: hash, headBytes: head.length },
      ...{ format: '', offset: 0, number: 0, state: '', noted: [], seen: 0 },
    };
    this.files.set(known.id, known);
    return Promise.resolve(known);
  }

  skip(): Promise<void> {
    return Promise.reject(new Error('it knows no first start'));
  }

  async note(id: string, { from, to }: { from: number; to: number }): Promise<void> {
    await Promise.resolve();
    const known = this.#get(id);
    this.files.set(id, { ...known, noted: [...known.noted, { from, to }] });
  }

  async commit(id: string, position: FilePosition, format: string): Promise<void> {
    await Promise.resolve();
    this.commits.push(position);
    const known = this.#get(id);
    const noted = known.noted.filter(({ to }) => to > position.offset);
    this.files.set(id, { ...known, ...position, format, noted });
  }

  finish(id: string, finished: PackedState): void {
    this.files.set(id, { ...this.#get(id), finished });
  }

  get(id: string): KnownFile | undefined {
    return this.files.get(id);
  }

  all(): readonly KnownFile[] {
    return [...this.files.values()];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #get(id: string): KnownFile {
    const known = this.files.get(id);
    if (known === undefined) throw new Error(`no file has the id ${id}`);
    return known;
  }
}

/** Keeps what is delivered, once for each key, as a service does. */
export class Recorder {
  readonly slices: Slice[] = [];
  readonly #bodies = new Map<string, string>();
  /** Replaced by a test that makes a delivery slow or fail. */
  before: (slice: Slice) => Promise<void> = () => Promise.resolve();
  /** Slices whose key was known with another content: an error of the reader. */
  readonly conflicts: string[] = [];

  readonly deliver: DeliverSlice = async (slice) => {
    this.slices.push(slice);
    await this.before(slice);
    const key = keyOf(slice);
    const body = slice.converted.body.toString('latin1');
    const known = this.#bodies.get(key);
    if (known !== undefined && known !== body) this.conflicts.push(key);
    if (known === undefined) this.#bodies.set(key, body);
    if (known === undefined) this.count += slice.converted.records;
  };

  /** Of `lines`. */
  count = 0;

  /** What a service has stored, line by line, in the order of arrival. */
  get lines(): string[] {
    return [...this.#bodies.values()].flatMap((body) => body.split('\n').slice(0, -1));
  }
}

export function keyOf({ id, from, to }: Slice): string {
  return `${id}:${from}-${to}`;
}
