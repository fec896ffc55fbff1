import { parseJson } from '../../lines/parse-json.ts';
import { type LogName, MAX_GENERATION_BYTES, MAX_LINE_NUMBER, MAX_NAME_BYTES } from '../../model/line-store.ts';

/** A line as it was sent. */
export interface SentLine extends LogName {
  readonly number: number;
  readonly content: string;
}

/** The body is no batch, or, with an index, a line of it is wrong. */
export class BatchFault extends Error {
  override readonly name = 'BatchFault';
  readonly index: number | undefined;
  readonly field: string;
  constructor(message: string, index?: number, field = '') {
    super(message);
    this.index = index;
    this.field = field;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads a body whole before any line is stored. Other members, such as `uuid`, are ignored. Throws BatchFault. */
export function readBatch(body: Uint8Array, { maxLineBytes }: { readonly maxLineBytes: number }): readonly SentLine[] {
  const { batch, size } = readObject(body);
  if (!Array.isArray(batch)) throw new BatchFault(`batch must be a list of lines, is ${describe(batch)}`);
  if (size !== undefined && size !== batch.length)
    throw new BatchFault(`size must be the number of lines in batch, ${batch.length}, is ${describe(size)}`);
  let before: SentLine | undefined;
  return batch.map((item: unknown, index) => {
    before = readLine(item, { index, before, maxLineBytes });
    return before;
  });
}

function readObject(body: Uint8Array): { readonly batch?: unknown; readonly size?: unknown } {
  const value = parse(body);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new BatchFault(`the body must be an object with the member batch, is ${describe(value)}`);
  return value;
}

function parse(body: Uint8Array): unknown {
  try {
    return parseJson(utf8.decode(body));
  } catch (error) {
    if (error instanceof TypeError) throw new BatchFault('the body is not UTF-8');
    throw new BatchFault(`the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface LineContext {
  readonly index: number;
  /** The line before it. Lines of one log mostly stand together: their names are checked once. */
  readonly before: SentLine | undefined;
  readonly maxLineBytes: number;
}

function readLine(item: unknown, { index, before, maxLineBytes }: LineContext): SentLine {
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    throw new BatchFault(`batch[${index}] must be an object, is ${describe(item)}`, index);
  // What comes from JSON has no members but its own; a missing one may be inherited only from Object.prototype, which has none of these names.
  const { host, file, generation, 'line-num': number, content } = item as Readonly<Record<string, unknown>>;
  if (typeof content !== 'string') throw wrong(index, 'content', 'must be a text', content);
  // In UTF-8 a character of JavaScript takes at most three bytes.
  if (content.length * 3 > maxLineBytes && Buffer.byteLength(content) > maxLineBytes)
    throw new BatchFault(
      `batch[${index}].content must have at most ${maxLineBytes} bytes (store.maxLineBytes), has ${Buffer.byteLength(content)}`,
      index,
      'content',
    );
  if (!content.isWellFormed()) throw wrong(index, 'content', 'must be Unicode, without half of a surrogate pair');
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0)
    throw wrong(index, 'line-num', `must be a whole number from 0 to ${MAX_LINE_NUMBER}`, number);
  const isSame = before?.file === file && before?.host === host && before?.generation === (generation ?? '');
  if (isSame && before !== undefined)
    return { host: before.host, file: before.file, generation: before.generation, number: unsigned(number), content };
  return {
    host: readName(index, 'host', host, MAX_NAME_BYTES),
    file: readName(index, 'file', file, MAX_NAME_BYTES),
    generation:
      generation === undefined || generation === null || generation === ''
        ? ''
        : readName(index, 'generation', generation, MAX_GENERATION_BYTES),
    number: unsigned(number),
    content,
  };
}

/** -0, which JSON can write, is 0. */
function unsigned(number: number): number {
  return number + 0;
}

function readName(index: number, field: string, value: unknown, maxBytes: number): string {
  if (typeof value !== 'string' || value === '' || !value.isWellFormed() || Buffer.byteLength(value) > maxBytes)
    throw wrong(index, field, `must be a text of 1 to ${maxBytes} bytes`, value);
  return value;
}

function wrong(index: number, field: string, rule: string, ...found: readonly unknown[]): BatchFault {
  const is = found.length === 0 ? '' : `, is ${describe(found[0])}`;
  return new BatchFault(`batch[${index}].${field} ${rule}${is}`, index, field);
}

const SHOWN_CHARACTERS = 64;

/** A value for a message: its beginning where it is long. */
function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value !== 'string') return String(value);
  const shown = JSON.stringify(value.slice(0, SHOWN_CHARACTERS));
  return value.length > SHOWN_CHARACTERS ? `${shown}… of ${Buffer.byteLength(value)} bytes` : shown;
}
