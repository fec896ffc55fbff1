import { type DecodeOptions, MalformedBodyError } from '../decode.ts';
import { runToEnd } from '../pace.ts';
import type { CsvColumns } from './csv-header.ts';
import { joinRow, readRow } from './csv-row.ts';
import type { FileFrame } from './cut-block.ts';
import {
  type DecodedFrames,
  damageOf,
  decodeAsJson,
  decodersOf,
  FILE_DECODING,
  fromDecoded,
  joinDecoded,
  NOTHING,
} from './decode-frames.ts';
import { LogTime } from './log-time.ts';
import type { ReadingOptions } from './reading-options.ts';
import { splitRequest } from './request-line.ts';

const LINE_END = Buffer.from('\n');
/** Rows that are decoded at once: a decoder has a limit of the invalid ones in one body (MAX_SKIPPED). */
const MAX_ROWS = 50_000;

/**
 * Reads the rows of one file. FAST PATH: the decoder of CSV bodies takes rows whose values are stored as they stand. The others, such as those
 * with times of another form, become JSON, which the decoder of lines judges.
 */
export class CsvRows {
  readonly #columns: CsvColumns;
  readonly #options: ReadingOptions;
  readonly #decoding: DecodeOptions;
  readonly #header: Buffer;
  readonly #times: LogTime;

  constructor(columns: CsvColumns, options: ReadingOptions) {
    this.#columns = columns;
    this.#options = options;
    this.#decoding = { ...FILE_DECODING, extraFields: options.fields === 'all' ? 'keep' : 'drop' };
    this.#times = new LogTime(options.zone);
    this.#header = Buffer.from(`${joinRow(columns.names)}\n`);
  }

  decode(rows: readonly FileFrame[]): DecodedFrames {
    const parts: DecodedFrames[] = [];
    for (let at = 0; at < rows.length; at += MAX_ROWS) {
      const some = rows.slice(at, at + MAX_ROWS);
      const isDirect = this.#columns.timeOfDay === -1 && !this.#columns.hasRequestLines;
      const fast = isDirect ? this.#decodeFast(some) : { ...NOTHING, unreadable: some };
      const { ndjson } = decodersOf(this.#options.stream);
      const others = decodeAsJson(ndjson, fast.unreadable, (row) => this.#asJson(row), this.#decoding);
      parts.push({ ...fast, unreadable: [] }, others);
    }
    return joinDecoded(parts);
  }

  /** What it cannot take is not judged yet. A misplaced quote makes a whole body unreadable: then the halves are tried. */
  #decodeFast(
    rows: readonly FileFrame[],
  ): Omit<DecodedFrames, 'unreadable'> & { readonly unreadable: readonly FileFrame[] } {
    const sound = rows.filter(({ bytes }) => damageOf(bytes) === undefined);
    const damaged = sound.length === rows.length ? [] : rows.filter(({ bytes }) => damageOf(bytes) !== undefined);
    if (sound.length === 0) return { ...NOTHING, unreadable: damaged };
    const body = Buffer.concat([this.#header, ...sound.flatMap(({ bytes }) => [bytes, LINE_END])]);
    try {
      const decoded = runToEnd(decodersOf(this.#options.stream).csv(body, this.#decoding));
      const { unreadable, ...records } = fromDecoded(decoded, (row) => sound[row - 2]);
      return { ...records, unreadable: [...damaged, ...unreadable] };
    } catch (error) {
      if (!(error instanceof MalformedBodyError)) throw error;
      if (sound.length === 1) return { ...NOTHING, unreadable: rows };
      const middle = sound.length >> 1;
      const halves = [this.#decodeFast(sound.slice(0, middle)), this.#decodeFast(sound.slice(middle))];
      return {
        body: Buffer.concat(halves.map(({ body: half }) => half)),
        records: halves.reduce((sum, { records }) => sum + records, 0),
        unreadable: [...damaged, ...halves.flatMap(({ unreadable }) => unreadable)],
      };
    }
  }

  #asJson(row: Buffer): string | { readonly reason: string } {
    const { names, places, timeOfDay } = this.#columns;
    const values = readRow(row, names.length);
    if ('reason' in values) return values;
    const [timestamp = 0] = places;
    if (timeOfDay !== -1) values[timestamp] = `${values[timestamp]?.trim()} ${values[timeOfDay]?.trim()}`;
    const written = values[timestamp]?.trim() ?? '';
    values[timestamp] = this.#times.read(written) ?? written;
    const members = new Map(names.flatMap((name, at) => (at === timeOfDay ? [] : [[name, values[at] ?? ''] as const])));
    const request = this.#options.stream.required[0] === 'path' ? this.#toAccess(members) : [];
    return `{${[...members].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).concat(request)}}`;
  }

  /** An empty user agent is none, and a request line has a path in it. Gives the members that the request line has beside it. */
  #toAccess(members: Map<string, string>): string[] {
    if (members.get('userAgent')?.trim() === '') members.set('userAgent', '-');
    const request = members.get('path') ?? '';
    if (!this.#columns.hasRequestLines || /^(?:\/\S*|https?:\/\/\S+)$/.test(request)) return [];
    const read = splitRequest(request);
    members.set('path', read.path);
    if ('malformed' in read) return ['"malformed":true'];
    const parts = { method: read.method, protocol: read.protocol };
    return Object.entries(parts).flatMap(([name, value]) => {
      return value === undefined || members.has(name) ? [] : [`"${name}":${JSON.stringify(value)}`];
    });
  }
}
