import { BYTES } from '../../model/bytes.ts';
import type { AccessLines, LineFormat, LineOptions, LineReader, LineVerdict } from './line-format.ts';

const { OPEN_BRACE } = BYTES;

/** A format whose score of a line is lower is not tried on it. */
const LIKELY = 0.25;

/** By so much another format must be likelier to say why a line cannot be read. */
const CLEARLY = 0.01;

export interface RouterOptions extends Omit<LineOptions, 'state'> {
  /** The format of the first line. */
  readonly format: LineFormat;
  /** Formats that other lines may have; none where the user has named the one. */
  readonly others: readonly LineFormat[];
}

type Unreadable = Exclude<LineVerdict, string>;

/** What a router of a later part of the file must know. */
export interface RouterState {
  /** Names of the present format, where it is another than at the start, and of the one before it. */
  readonly format?: string;
  readonly previous?: string;
  /** Of the readers that have a state, by the names of their formats. */
  readonly readers?: Readonly<Record<string, string>>;
}

/**
 * Reads the lines of one file, each by the format of the line before it, and where that cannot, by the likeliest other one: a server may
 * have changed its format in the middle of a file, and a container writes the lines of several programs.
 */
export class LineRouter {
  readonly #options: RouterOptions;
  readonly #readers = new Map<LineFormat, LineReader>();
  readonly #states: Readonly<Record<string, string>>;
  #format: LineFormat;
  #reader: LineReader;
  #previous: LineFormat | undefined;

  constructor(options: RouterOptions, state: RouterState) {
    this.#options = options;
    this.#states = state.readers ?? {};
    const named = (name?: string) => options.others.find((format) => format.name === name);
    this.#format = named(state.format) ?? options.format;
    this.#previous = named(state.previous);
    this.#reader = this.#readerOf(this.#format);
  }

  get state(): RouterState {
    const readers: Record<string, string> = { ...this.#states };
    for (const [{ name }, { state }] of this.#readers) readers[name] = state;
    const known = Object.entries(readers).filter(([, state]) => state !== '');
    return {
      ...(this.#format === this.#options.format ? {} : { format: this.#format.name }),
      ...(this.#previous === undefined ? {} : { previous: this.#previous.name }),
      ...(known.length === 0 ? {} : { readers: Object.fromEntries(known) }),
    };
  }

  /** As LineReader.readRecord, by the present format. */
  readRecord(bytes: Buffer, start: number, end: number, out: AccessLines): boolean {
    return this.#reader.readRecord?.(bytes, start, end, out) === true;
  }

  /** As LineReader.read. */
  read(bytes: Buffer, start: number, end: number, out: AccessLines): LineVerdict {
    const isJson = bytes[start] === OPEN_BRACE;
    if (this.#options.others.length > 0 && isJson !== isOfJson(this.#format)) {
      return this.#readOther(bytes, start, end, out, undefined);
    }
    const verdict = this.#reader.read(bytes, start, end, out);
    return typeof verdict === 'string' ? verdict : this.#readOther(bytes, start, end, out, verdict);
  }

  /** Lines of two formats in turn cost no search. `own`: why the present format cannot read it, if it was asked. */
  #readOther(bytes: Buffer, start: number, end: number, out: AccessLines, own: Unreadable | undefined): LineVerdict {
    const previous = this.#previous;
    if (previous !== undefined && isOfJson(previous) === (bytes[start] === OPEN_BRACE)) {
      const verdict = this.#readerOf(previous).read(bytes, start, end, out);
      if (typeof verdict === 'string') {
        this.#change(previous);
        return verdict;
      }
    }
    return this.#search(bytes, start, end, out, own);
  }

  /** The likeliest format has the word where none can read the line. */
  #search(bytes: Buffer, start: number, end: number, out: AccessLines, own: Unreadable | undefined): LineVerdict {
    const line = bytes.subarray(start, end);
    const isJson = line[0] === OPEN_BRACE;
    const likely = this.#options.others
      .filter((format) => format !== this.#format && isOfJson(format) === isJson)
      .map((format) => ({ format, score: format.score(line) }))
      .filter(({ score }) => score >= LIKELY)
      .sort((a, b) => b.score - a.score);
    let least = own === undefined || likely.length === 0 ? 0 : this.#format.score(line);
    let reason = own;
    for (const { format, score } of likely) {
      const verdict = this.#readerOf(format).read(bytes, start, end, out);
      if (typeof verdict === 'string') {
        this.#change(format);
        return verdict;
      }
      if (score > least + CLEARLY) {
        reason = verdict;
        least = 1;
      }
    }
    return reason ?? this.#reader.read(bytes, start, end, out);
  }

  #change(format: LineFormat): void {
    this.#previous = this.#format;
    this.#format = format;
    this.#reader = this.#readerOf(format);
  }

  #readerOf(format: LineFormat): LineReader {
    const known = this.#readers.get(format);
    if (known !== undefined) return known;
    const { zone, fields } = this.#options;
    const reader = format.createReader({ zone, fields, state: this.#states[format.name] ?? '' });
    this.#readers.set(format, reader);
    return reader;
  }
}

/** A line that begins with a brace is JSON, and no other is. */
function isOfJson({ name }: LineFormat): boolean {
  return name === 'ndjson';
}
