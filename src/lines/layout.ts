import { ACCESS_STREAM, type Stream } from '../model/stream.ts';
import { toWords } from './scan-text.ts';

/**
 * How the records of a stream are stored, one line each:
 *
 *   {"timestamp":"2025-11-22T15:23:00Z","path":"/home","userAgent":"Mozilla/5.0","status":200}\n
 *
 * The timestamp stands first. Then come the required text fields in the order of the layout, each as JSON.stringify writes it. Then
 * come all other fields, the extra fields, in the order and with the tokens that they came with. No white space stands between tokens, and
 * each name stands once. So a record has one stored line, and readers find its fields in the bytes.
 */
export interface Layout {
  /** Names of the text fields that every record has, in stored order. The timestamp is not among them. */
  readonly required: readonly string[];
  /** The place in `fields` of the field whose text is a level (model/level.ts); -1 where there is none. */
  readonly levelAt: number;
  /** The place in `fields` of the field that is stored as `-` where its text is blank; -1 where there is none. */
  readonly dashAt: number;
  /** The timestamp and the required fields, in stored order. A field is known to readers and writers by its place here. */
  readonly fields: readonly string[];
  /** What stands before the value of each field. */
  readonly leads: readonly Lead[];
  /** Bytes of a line beside the texts of its fields and its extra fields. */
  readonly overhead: number;
  /**
   * For fast paths: where the text of each field ends, at its closing quote, in the record that was read or the line that was written last.
   * One array for all bodies, since a small one has no time to make its own.
   */
  readonly fieldEnds: Int32Array;
  /** The most bytes that the name of a field takes in JSON: with its quotes, and every character escaped. */
  readonly maxNameBytes: number;
}

/** What stands in a line from the end of the text before a field to the start of the field's own text. */
export interface Lead {
  /** `{"timestamp":"` or `","path":"`. */
  readonly text: string;
  /** In bytes. */
  readonly length: number;
  /** Its bytes. */
  readonly view: DataView;
  /** The text as toWords gives it. */
  readonly words: Int32Array;
}

export const TIMESTAMP = 'timestamp';

/** The layout of a stream's records. Throws where a field is named twice. */
export function createLayout({
  required,
  levelField,
  orDash,
}: Pick<Stream, 'required' | 'levelField' | 'orDash'>): Layout {
  const fields = [TIMESTAMP, ...required];
  if (new Set(fields).size !== fields.length) throw new Error(`a layout names a field twice: ${fields.join(', ')}`);
  const leads = fields.map((name, i) => toLead(`${i === 0 ? '{' : '",'}${JSON.stringify(name)}:"`));
  return {
    required,
    levelAt: levelField === undefined ? -1 : fields.indexOf(levelField),
    dashAt: orDash === undefined ? -1 : fields.indexOf(orDash),
    fields,
    leads,
    fieldEnds: new Int32Array(fields.length),
    overhead: leads.reduce((sum, { length }) => sum + length, '"}\n'.length),
    maxNameBytes: Math.max(...fields.map((name) => Buffer.byteLength(name))) * '\\u0000'.length + '""'.length,
  };
}

function toLead(text: string): Lead {
  const bytes = Buffer.from(text);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return { text, length: bytes.length, view, words: toWords(text) };
}

/** The lead of the field of that name. */
export function leadOf({ fields, leads }: Layout, name: string): Lead {
  const lead = leads[fields.indexOf(name)];
  if (lead === undefined) throw new Error(`the layout has no field ${name}; it has ${fields.join(', ')}`);
  return lead;
}

/**
 * The stored line of a record. `timestamp` is in stored form; `texts` are those of the required fields; `extras` is empty or
 * `,"name":value` for each extra field.
 */
export function formatLine({ required }: Layout, timestamp: string, texts: readonly string[], extras: string): string {
  let line = `{"${TIMESTAMP}":"${timestamp}"`;
  for (let i = 0; i < required.length; i++) line += `,${JSON.stringify(required[i])}:${JSON.stringify(texts[i])}`;
  return `${line}${extras}}\n`;
}

/** Access records: what a web server logs of a request. */
export const ACCESS = createLayout(ACCESS_STREAM);
