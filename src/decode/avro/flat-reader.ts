// FAST PATH. Reads records of flat text and number fields, and makes no object for any of them. A LogEntry of 144 bytes takes 330 ns to
// its line, where avsc and JSON.stringify take 1,150 (bench/micro.ts, two busy cores). datum-reader.ts judges every record that this cannot.

import type { Layout } from '../../lines/layout.ts';
import type { DecodeOptions } from '../decode.ts';
import { FlatLine, type FlatPlan, planFlatLine } from '../flat-line.ts';
import type { AvroType } from './schema.ts';
import { numberText } from './values.ts';

// How a field is read.
const STRING = 0;
const WHOLE = 1;
const BOOLEAN = 2;
const FLOAT = 3;
const DOUBLE = 4;
const ENUM = 5;
const NULL = 6;

const CODES: Readonly<Record<string, number>> = {
  string: STRING,
  int: WHOLE,
  long: WHOLE,
  boolean: BOOLEAN,
  float: FLOAT,
  double: DOUBLE,
  enum: ENUM,
  null: NULL,
};

const MAX_INT = 2 ** 31;

interface Branch {
  readonly code: number;
  /** WHOLE: it is an int, which has a smaller range than a long. */
  readonly isInt: boolean;
  /** ENUM: the JSON text of each symbol. */
  readonly symbols: readonly string[];
}

/** How the records of one schema are read, and where their fields go. */
export interface FlatSchema {
  readonly plan: FlatPlan;
  /** Of each field: its type, or the branches of its union. */
  readonly fields: readonly (Branch | readonly Branch[])[];
}

/** undefined where records of the type are not flat, or cannot be valid. */
export function toFlatSchema(
  type: AvroType,
  layout: Layout,
  extraFields: DecodeOptions['extraFields'],
): FlatSchema | undefined {
  if (type.kind !== 'record') return undefined;
  const names = type.fields.map(({ name }) => name);
  const plan = planFlatLine(layout, names, extraFields);
  if (plan === undefined) return undefined;
  const fields: (Branch | readonly Branch[])[] = [];
  for (const field of type.fields) {
    const branches = (field.type.kind === 'union' ? field.type.branches : [field.type]).map(toBranch);
    if (!branches.every((branch) => branch !== undefined)) return undefined;
    fields.push(field.type.kind === 'union' ? branches : (branches[0] as Branch));
  }
  return { plan, fields };
}

function toBranch(type: AvroType): Branch | undefined {
  const code = CODES[type.kind];
  if (code === undefined || ('logical' in type && type.logical !== undefined)) return undefined;
  const symbols = type.kind === 'enum' ? type.symbols.map((symbol) => JSON.stringify(symbol)) : [];
  return { code, isInt: type.kind === 'int', symbols };
}

export class FlatReader {
  readonly line: FlatLine;
  readonly #bytes: Buffer;
  readonly #fields: FlatSchema['fields'];
  #at = 0;
  #end = 0;

  constructor(bytes: Buffer, layout: Layout, { plan, fields }: FlatSchema) {
    this.line = new FlatLine(bytes, layout, plan);
    this.#bytes = bytes;
    this.#fields = fields;
  }

  /** The offset after the record at `at`, whose fields are then in `line`; -1 where the reference must judge. */
  read(at: number, end: number): number {
    const fields = this.#fields;
    const bytes = this.#bytes;
    this.#end = end;
    this.#at = at;
    for (let i = 0; i < fields.length; i++) {
      let field = fields[i] as FlatSchema['fields'][number];
      if ('length' in field) {
        const branch = field[this.#whole()];
        if (branch === undefined) return -1;
        field = branch;
      }
      if (field.code === STRING) {
        const start = this.#at;
        const length = bytes[start] as number;
        // A short text has its length in one byte.
        if (start < end && length < 0x80) {
          if ((length & 1) === 1) return -1;
          this.#at = start + 1;
          if (!this.#text(i, length >> 1)) return -1;
        } else if (!this.#text(i, this.#whole())) return -1;
      } else if (!this.#value(i, field)) return -1;
    }
    return this.#at;
  }

  #text(at: number, length: number): boolean {
    const start = this.#at;
    const to = start + length;
    // NaN, too, is not within.
    if (!(length >= 0 && to <= this.#end)) return false;
    this.line.text(at, start, to);
    this.#at = to;
    return true;
  }

  #value(at: number, { code, isInt, symbols }: Branch): boolean {
    if (code === WHOLE) {
      const value = this.#whole();
      if (Number.isNaN(value) || (isInt && (value >= MAX_INT || value < -MAX_INT))) return false;
      this.line.integer(at, value);
      return true;
    }
    if (code === NULL) {
      this.line.absent(at);
      return true;
    }
    if (code === ENUM) {
      const symbol = symbols[this.#whole()];
      if (symbol !== undefined) this.line.token(at, symbol);
      return symbol !== undefined;
    }
    const start = this.#at;
    const length = code === BOOLEAN ? 1 : code === FLOAT ? 4 : 8;
    if (start + length > this.#end) return false;
    this.#at += length;
    if (code === BOOLEAN) {
      const value = this.#bytes[start] as number;
      this.line.token(at, value === 1 ? 'true' : 'false');
      return value <= 1;
    }
    const value = code === FLOAT ? this.#bytes.readFloatLE(start) : this.#bytes.readDoubleLE(start);
    this.line.token(at, numberText(value));
    return true;
  }

  /** A varint of at most five bytes; NaN for a longer one, and where the bytes end. */
  #whole(): number {
    const bytes = this.#bytes;
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 5 && this.#at < this.#end; i++) {
      const byte = bytes[this.#at++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      factor *= 128;
    }
    return Number.NaN;
  }
}
