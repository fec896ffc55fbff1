// FAST PATH. Decodes messages of text and number fields: it finds the fields in the bytes and writes the stored line, without an object
// for a message. Everything that it is not certain about goes to the reference (message-record.ts), which a property test holds it to.

import { type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import type { Layout } from '../../lines/layout.ts';
import type { LineWriter } from '../../lines/writer.ts';
import { SEVERITY } from '../../model/level.ts';
import type { DecodeOptions } from '../decode.ts';
import { FlatLine, type FlatPlan, planFlatLine } from '../flat-line.ts';
import { WIRE, wireOf } from './check-message.ts';
import { NULL_VALUE } from './message-json.ts';

/** What `FlatMessages.write` says of a message. */
export const WRITTEN = 0;
/** The reference must judge it. */
export const UNCERTAIN = 1;
/** It is certainly no valid record; the reference knows why. */
export const INVALID = 2;

/** How the value of a field becomes JSON. */
type Kind =
  | 'text'
  | 'int32'
  | 'uint32'
  | 'sint32'
  | 'int64'
  | 'sint64'
  | 'bool'
  | 'enum'
  | 'fixed32'
  | 'sfixed32'
  | 'double';

interface FlatField {
  /** The place in the plan. */
  readonly at: number;
  readonly kind: Kind;
  readonly tag: number;
  /** Its zero is the same as absent. */
  readonly isImplicit: boolean;
  readonly names: DescEnum | undefined;
}

/** How messages of one type are read. Made once for each. */
export interface FlatProgram {
  readonly plan: FlatPlan;
  /** The fields of text and numbers, by the number of the field. */
  readonly fields: ReadonlyMap<number, FlatField>;
  /** The same by their tags, which are one byte for the numbers to 15. */
  readonly byTag: readonly (FlatField | undefined)[];
  /** The numbers of all fields. */
  readonly known: ReadonlySet<number>;
  /** Places that every valid record has. */
  readonly needed: readonly number[];
}

const KINDS: ReadonlyMap<ScalarType, Kind> = new Map([
  [ScalarType.STRING, 'text'],
  [ScalarType.INT32, 'int32'],
  [ScalarType.UINT32, 'uint32'],
  [ScalarType.SINT32, 'sint32'],
  [ScalarType.INT64, 'int64'],
  [ScalarType.UINT64, 'int64'],
  [ScalarType.SINT64, 'sint64'],
  [ScalarType.BOOL, 'bool'],
  [ScalarType.FIXED32, 'fixed32'],
  [ScalarType.SFIXED32, 'sfixed32'],
  [ScalarType.DOUBLE, 'double'],
]);

const MORE = 0x80;
const TAGS_OF_ONE_BYTE = 128;
/** Of a tag or a length. */
const MAX_SHORT_BYTES = 5;
/** The longest varint whose value is a safe integer. */
const MAX_SAFE_BYTES = 7;
const MAX_VARINT_BYTES = 10;

/** The program for messages of this type; undefined where no message of it can be read by one. */
export function compileFlat(
  layout: Layout,
  desc: DescMessage,
  extraFields: DecodeOptions['extraFields'],
): FlatProgram | undefined {
  const isRequired = ({ presence }: DescField) => presence === FeatureSet_FieldPresence.LEGACY_REQUIRED;
  if (desc.fields.some(isRequired)) return undefined;
  const names = desc.fields.map(({ jsonName }) => jsonName);
  const plan = planFlatLine(layout, names, extraFields);
  if (plan === undefined) return undefined;
  const flat = desc.fields.flatMap((field, at) => toFlatField(field, at) ?? []);
  const byTag: (FlatField | undefined)[] = new Array(TAGS_OF_ONE_BYTE).fill(undefined);
  for (const field of flat) if (field.tag < TAGS_OF_ONE_BYTE) byTag[field.tag] = field;
  return {
    plan,
    fields: new Map(flat.map((field) => [field.tag >>> 3, field])),
    byTag,
    known: new Set(desc.fields.map(({ number }) => number)),
    needed: plan.fields.filter((_, field) => field !== layout.levelAt || !names.includes(SEVERITY)),
  };
}

function toFlatField(field: DescField, at: number): FlatField | undefined {
  if (field.oneof !== undefined) return undefined;
  const isImplicit = field.presence === FeatureSet_FieldPresence.IMPLICIT;
  if (field.fieldKind === 'enum' && field.enum.typeName !== NULL_VALUE) {
    return { at, kind: 'enum', tag: toTag(field.number, WIRE.VARINT), isImplicit, names: field.enum };
  }
  const kind = field.fieldKind === 'scalar' ? KINDS.get(field.scalar) : undefined;
  if (field.fieldKind !== 'scalar' || kind === undefined) return undefined;
  return { at, kind, tag: toTag(field.number, wireOf(field.scalar)), isImplicit, names: undefined };
}

function toTag(number: number, wire: number): number {
  return number * 8 + wire;
}

/** Reads the messages of one type in one body. */
export class FlatMessages {
  readonly line: FlatLine;
  readonly #bytes: Buffer;
  readonly #program: FlatProgram;
  /** For each place, the number of the message that set it last. */
  readonly #setBy: Float64Array;
  #message = 0;
  /** After the varint that was read last. */
  #at = 0;

  constructor(bytes: Buffer, layout: Layout, program: FlatProgram) {
    this.#bytes = bytes;
    this.#program = program;
    this.line = new FlatLine(bytes, layout, program.plan);
    this.#setBy = new Float64Array(program.plan.count);
  }

  /** Writes the stored line of the message at [start, end): WRITTEN, or another verdict and nothing written. */
  write(writer: LineWriter, start: number, end: number): number {
    this.line.clear();
    this.#message++;
    const verdict = this.#read(start, end);
    if (verdict !== WRITTEN) return verdict;
    const { needed } = this.#program;
    for (let i = 0; i < needed.length; i++) {
      if (this.#setBy[needed[i] as number] !== this.#message) return INVALID;
    }
    return this.line.write(writer) ? WRITTEN : UNCERTAIN;
  }

  /** Finds all fields. */
  #read(start: number, end: number): number {
    const bytes = this.#bytes;
    const { byTag, fields, known } = this.#program;
    let at = start;
    while (at < end) {
      let tag = bytes[at] as number;
      let field: FlatField | undefined;
      if (tag < MORE) {
        at++;
        field = byTag[tag];
      } else {
        tag = this.#varint(at, end, MAX_SHORT_BYTES);
        if (tag < 0 || tag > 0xffffffff) return UNCERTAIN;
        at = this.#at;
        field = fields.get(tag >>> 3);
        if (field?.tag !== tag) field = undefined;
      }
      if (field === undefined) {
        const number = tag >>> 3;
        if (number === 0) return INVALID;
        if (known.has(number)) return UNCERTAIN;
        at = this.#skip(at, end, tag & 7);
      } else if (field.kind === 'text') at = this.#text(at, end, field);
      else at = this.#number(at, end, field);
      if (at < 0) return UNCERTAIN;
    }
    return WRITTEN;
  }

  /** Returns where to go on, or -1. */
  #text(at: number, end: number, field: FlatField): number {
    const short = this.#bytes[at] as number;
    let length = short;
    let start = at + 1;
    if (at >= end) return -1;
    if (short >= MORE) {
      length = this.#varint(at, end, MAX_SHORT_BYTES);
      if (length < 0) return -1;
      start = this.#at;
    }
    const textEnd = start + length;
    if (textEnd > end || !this.#isFirst(field.at)) return -1;
    if (length > 0 || !field.isImplicit) {
      this.line.text(field.at, start, textEnd);
      this.#setBy[field.at] = this.#message;
    }
    return textEnd;
  }

  /** Returns where to go on, or -1. */
  #number(at: number, end: number, field: FlatField): number {
    const { kind } = field;
    if (!this.#isFirst(field.at)) return -1;
    this.#setBy[field.at] = this.#message;
    if (kind === 'fixed32' || kind === 'sfixed32') {
      if (at + 4 > end) return -1;
      this.#setInteger(field, kind === 'fixed32' ? this.#bytes.readUInt32LE(at) : this.#bytes.readInt32LE(at));
      return at + 4;
    }
    if (kind === 'double') {
      if (at + 8 > end) return -1;
      const value = this.#bytes.readDoubleLE(at);
      if (!Number.isFinite(value) || value === 0) return -1;
      this.line.token(field.at, String(value));
      return at + 8;
    }
    const value = this.#varint(at, end, MAX_SAFE_BYTES);
    if (value < 0) return -1;
    this.#setVarint(field, value);
    return this.#at;
  }

  #setVarint(field: FlatField, value: number): void {
    switch (field.kind) {
      case 'int32':
        this.#setInteger(field, value | 0);
        return;
      case 'uint32':
        this.#setInteger(field, value >>> 0);
        return;
      case 'sint32':
        this.#setInteger(field, ((value >>> 0) >>> 1) ^ -(value & 1));
        return;
      case 'sint64':
        this.#setInteger(field, value % 2 === 0 ? value / 2 : -(value + 1) / 2);
        return;
      case 'bool':
        if (value !== 0 || !field.isImplicit) this.line.token(field.at, value === 0 ? 'false' : 'true');
        return;
      case 'enum':
        this.#setEnum(field, value | 0);
        return;
      default:
        this.#setInteger(field, value);
        return;
    }
  }

  #setInteger(field: FlatField, value: number): void {
    if (value !== 0 || !field.isImplicit) this.line.integer(field.at, value);
  }

  #setEnum({ at, isImplicit, names }: FlatField, value: number): void {
    if (value === 0 && isImplicit) return;
    const name = names?.value[value]?.name;
    if (name === undefined) this.line.integer(at, value);
    else this.line.token(at, `"${name}"`);
  }

  /** Of several values of a field the last counts, and each must be valid: that is for the reference. */
  #isFirst(at: number): boolean {
    return this.#setBy[at] !== this.#message;
  }

  /** Skips an unknown field. Returns where to go on, or -1. */
  #skip(at: number, end: number, wire: number): number {
    let next = -1;
    if (wire === WIRE.I64) next = at + 8;
    else if (wire === WIRE.I32) next = at + 4;
    else if (wire === WIRE.LEN) {
      const length = this.#varint(at, end, MAX_SHORT_BYTES);
      next = length < 0 ? -1 : this.#at + length;
    } else if (wire === WIRE.VARINT) {
      next = at;
      while (next < end && (this.#bytes[next] as number) >= MORE) next++;
      next = next - at < MAX_VARINT_BYTES ? next + 1 : -1;
    }
    return next > end ? -1 : next;
  }

  /** The value of the varint at `at`, or -1 where it is cut off or longer than `most` bytes. */
  #varint(at: number, end: number, most: number): number {
    const bytes = this.#bytes;
    const stop = Math.min(end, at + most);
    let value = 0;
    let factor = 1;
    for (let i = at; i < stop; i++) {
      const byte = bytes[i] as number;
      if (byte < MORE) {
        this.#at = i + 1;
        return value + byte * factor;
      }
      value += (byte - MORE) * factor;
      factor *= 128;
    }
    return -1;
  }
}
