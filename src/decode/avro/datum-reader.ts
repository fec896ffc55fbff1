import { isUtf8 } from 'node:buffer';
import type { DecodeOptions } from '../decode.ts';
import type { DecodedFields } from '../decoded-record.ts';
import type { Pace } from '../pace.ts';
import { firstInvalidByte } from '../utf8.ts';
import { BytesReader } from './bytes-reader.ts';
import { AvroFault } from './fault.ts';
import { leastBytes } from './least-bytes.ts';
import type { AvroType, RecordType } from './schema.ts';
import { decimalText, numberText, timeText, uuidText } from './values.ts';

/** What a value may be longer in JSON than in a stored line, where it is trimmed or normalised. */
const SPARE = 64 * 1024;
/** The digits of a longer decimal would take long to write. */
const MAX_DECIMAL_BYTES = 1024;

type Union = Extract<AvroType, { kind: 'union' }>;

/**
 * The reference reader of Avro: turns data into the JSON text of their fields. Its throws are AvroFault: then the end of the datum is not
 * known either. It yields in long data, and a bit of text is all that it makes of one that is longer than a record may be.
 */
export class DatumReader extends BytesReader {
  /** Whether the record read last is longer than a line may be; it was read to its end, and its fields are not complete. */
  isTooLong = false;
  readonly #maxDepth: number;
  readonly #most: number;
  readonly #pace: Pace;
  /** Characters of JSON that were made of this record. */
  #made = 0;

  constructor(
    { bytes, start, end }: { readonly bytes: Buffer; readonly start: number; readonly end: number },
    { maxDepth, maxRecordBytes }: Pick<DecodeOptions, 'maxDepth' | 'maxRecordBytes'>,
    pace: Pace,
  ) {
    super(bytes, start, end);
    this.#maxDepth = maxDepth;
    this.#most = maxRecordBytes * 2 + SPARE;
    this.#pace = pace;
  }

  /** The next datum, which is a record, or a union of records. */
  *record(type: RecordType | Union): Generator<undefined, DecodedFields, undefined> {
    this.#made = 0;
    this.isTooLong = false;
    const start = this.at;
    const chosen = type.kind === 'union' ? this.#branch(type) : type;
    if (chosen.kind !== 'record') throw new AvroFault(start, 'a record', `a value of ${chosen.kind}`);
    return yield* this.#fields(chosen, 1);
  }

  /** Fields that are null are left out. */
  *#fields({ fields }: RecordType, depth: number): Generator<undefined, Map<string, string>, undefined> {
    const found = new Map<string, string>();
    for (let i = 0; i < fields.length; i++) {
      const { name, type } = fields[i] as RecordType['fields'][number];
      const chosen = type.kind === 'union' ? this.#branch(type) : type;
      const text = isScalar(chosen) ? this.#scalar(chosen) : yield* this.#container(chosen, depth + 1);
      // A field that is null costs time, too.
      if (this.#pace.written(0)) yield;
      if (text !== NULL && this.#keeps(name.length + text.length)) found.set(name, text);
    }
    return found;
  }

  *#container(type: AvroType, depth: number): Generator<undefined, string, undefined> {
    if (depth > this.#maxDepth) {
      throw new AvroFault(this.at, `values nested at most ${this.#maxDepth} deep (ingestion.maxDepth)`, 'a deeper one');
    }
    if (type.kind === 'record') return toObject(yield* this.#fields(type, depth));
    if (type.kind === 'map') return toObject(yield* this.#map(type.values, depth));
    if (type.kind === 'array') return yield* this.#array(type.items, depth);
    throw new Error(`cannot read kind=${type.kind}: it is no container`);
  }

  *#map(values: AvroType, depth: number): Generator<undefined, Map<string, string>, undefined> {
    const found = new Map<string, string>();
    const least = 1 + leastBytes(values);
    for (let left = this.#blockCount(least); left > 0; left = this.#blockCount(least)) {
      for (; left > 0; left--) {
        const key = this.#string('a key');
        const text = yield* this.#item(values, depth);
        if (this.#keeps(key.length + text.length)) found.set(key, text);
        if (this.#pace.written(0)) yield;
      }
    }
    return found;
  }

  *#array(items: AvroType, depth: number): Generator<undefined, string, undefined> {
    const texts: string[] = [];
    const least = leastBytes(items);
    for (let left = this.#blockCount(least); left > 0; left = this.#blockCount(least)) {
      if (least === 0) {
        const text = yield* this.#item(items, depth);
        // All are alike, and there may be more than anybody could count.
        if (this.#keeps((text.length + 1) * left)) for (; left > 0; left--) texts.push(text);
        if (this.#pace.written(0)) yield;
        continue;
      }
      for (; left > 0; left--) {
        const text = yield* this.#item(items, depth);
        if (this.#keeps(text.length + 1)) texts.push(text);
        if (this.#pace.written(0)) yield;
      }
    }
    return `[${texts.join(',')}]`;
  }

  *#item(type: AvroType, depth: number): Generator<undefined, string, undefined> {
    const chosen = type.kind === 'union' ? this.#branch(type) : type;
    return isScalar(chosen) ? this.#scalar(chosen) : yield* this.#container(chosen, depth + 1);
  }

  /** Items in the next block of an array or a map; 0 at its end. `least`: the fewest bytes that one takes. */
  #blockCount(least: number): number {
    const start = this.at;
    let count = this.long();
    if (count < 0) {
      count = -count;
      this.length('a block');
    }
    const most = least === 0 ? Number.MAX_SAFE_INTEGER : Math.floor((this.end - this.at) / least);
    if (typeof count === 'number' && count <= most) return count;
    throw new AvroFault(start, `a count of at most ${most} items, for the bytes that are left`, String(count));
  }

  #branch({ branches }: Union): AvroType {
    return branches[this.index('the number of a branch', branches.length)] as AvroType;
  }

  #scalar(type: AvroType): string {
    switch (type.kind) {
      case 'string':
        return JSON.stringify(this.#string('a string'));
      case 'int':
        return 'logical' in type ? this.#time(this.int(), type) : String(this.int());
      case 'long':
        return 'logical' in type ? this.#time(this.long(), type) : String(this.long());
      case 'boolean':
        return this.#boolean();
      case 'float':
        return numberText(this.bytes.readFloatLE(this.take('a float', 4)));
      case 'double':
        return numberText(this.bytes.readDoubleLE(this.take('a double', 8)));
      case 'enum':
        return `"${type.symbols[this.index(`the number of a symbol of ${type.name}`, type.symbols.length)]}"`;
      case 'bytes':
        return this.#binary(this.length('bytes'), type);
      case 'fixed':
        return this.#binary(type.size, type);
      default:
        return NULL;
    }
  }

  #boolean(): string {
    const value = this.byte();
    if (value > 1) throw new AvroFault(this.at - 1, 'a boolean, 0 or 1', String(value));
    return value === 1 ? 'true' : 'false';
  }

  #time(value: number | bigint, { logical }: Extract<AvroType, { logical?: unknown }>): string {
    return logical !== undefined && logical.kind !== 'decimal' ? timeText(value, logical) : String(value);
  }

  #binary(length: number, { kind, logical }: Extract<AvroType, { logical?: unknown }>): string {
    const start = this.take(`a value of ${kind}`, length);
    const value = this.bytes.subarray(start, start + length);
    if (logical?.kind === 'uuid') return uuidText(value);
    if (logical?.kind === 'decimal') {
      if (length > MAX_DECIMAL_BYTES) {
        throw new AvroFault(start, `a decimal of at most ${MAX_DECIMAL_BYTES} bytes`, `one of ${length}`);
      }
      return decimalText(value, logical.scale);
    }
    return this.#fits(length) ? `"${value.toString('base64')}"` : '';
  }

  #string(what: string): string {
    const length = this.length(what);
    const start = this.take(what, length);
    const text = this.bytes.subarray(start, start + length);
    if (!isUtf8(text)) {
      const offset = firstInvalidByte(text);
      throw new AvroFault(start + offset, 'UTF-8', `0x${text.toString('hex', offset, offset + 1)}`);
    }
    return this.#fits(length) ? text.toString() : '';
  }

  /** Whether a text of so many bytes is worth making. Else the record is too long. */
  #fits(length: number): boolean {
    if (length > this.#most) this.isTooLong = true;
    return !this.isTooLong;
  }

  /** Counts characters of the record's JSON; false once there are too many. */
  #keeps(characters: number): boolean {
    this.#made += characters;
    if (this.#made > this.#most) this.isTooLong = true;
    return !this.isTooLong;
  }
}

const NULL = 'null';

function isScalar({ kind }: AvroType): boolean {
  return kind !== 'record' && kind !== 'map' && kind !== 'array';
}

function toObject(members: ReadonlyMap<string, string>): string {
  return `{${[...members].map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`;
}
