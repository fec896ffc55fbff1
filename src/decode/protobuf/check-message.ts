import { isUtf8 } from 'node:buffer';
import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { PartError } from './part-error.ts';
import { VarintReader } from './varint.ts';

/** How a field is encoded. https://protobuf.dev/programming-guides/encoding/#structure */
export const WIRE = { VARINT: 0, I64: 1, LEN: 2, START_GROUP: 3, END_GROUP: 4, I32: 5 } as const;
const WIRE_NAMES = ['a varint', '64 bits', 'a length', 'a group', 'the end of a group', '32 bits'];

/** Bytes that are checked without a pause. */
const STEP = 64 * 1024;

export interface CheckLimits {
  /** Deepest nesting of messages and groups; 1: none is nested. */
  readonly maxDepth: number;
  /** Elements of lists and maps, and nested messages, in all. */
  readonly maxElements: number;
}

/** What the limits refuse. */
export class LimitError extends Error {
  override readonly name = 'LimitError';
  readonly limit: keyof CheckLimits;

  constructor(limit: keyof CheckLimits) {
    super(`beyond ${limit}`);
    this.limit = limit;
  }
}

interface MessagePlan {
  readonly name: string;
  readonly fields: ReadonlyMap<number, FieldPlan>;
}

interface FieldPlan {
  readonly name: string;
  readonly wire: number;
  /** The encoding of its elements where many may stand in one length; -1 where they may not. */
  readonly packed: number;
  readonly isText: boolean;
  /** Whether it is an element of a list or a map, or a message. */
  readonly counts: boolean;
  /** Of the nested message. */
  readonly child: (() => MessagePlan) | undefined;
}

interface Frame {
  readonly plan: MessagePlan | undefined;
  readonly end: number;
  /** The number of the field of an open group; 0 for a message with a length. */
  readonly group: number;
}

/**
 * Checks that [start, end) is a message of this type, before the library decodes it: the library takes the declared type for the one on
 * the wire, reads on after the end of a nested message, and does not say where a fault is. Unknown fields are skipped by their wire type.
 * Throws PartError with the offset, or LimitError. Yields in long messages. Does not recurse.
 */
export function* checkMessage(
  desc: DescMessage,
  bytes: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
  limits: CheckLimits,
): Generator<undefined, void, undefined> {
  const check = new MessageCheck(bytes, limits);
  check.open(planOf(desc), end, 0);
  for (let at = start; at !== -1; ) {
    if (at !== start) yield;
    at = check.step(at);
  }
}

class MessageCheck {
  readonly #bytes: Buffer;
  readonly #limits: CheckLimits;
  readonly #varints: VarintReader;
  readonly #frames: Frame[] = [];
  #elements = 0;

  constructor(bytes: Buffer, limits: CheckLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
    this.#varints = new VarintReader(bytes);
  }

  open(plan: MessagePlan | undefined, end: number, group: number): void {
    if (this.#frames.length === this.#limits.maxDepth) throw new LimitError('maxDepth');
    this.#frames.push({ plan, end, group });
  }

  /** Checks about STEP bytes. Returns where to go on, or -1 at the end of the message. */
  step(from: number): number {
    const frames = this.#frames;
    const stop = from + STEP;
    let at = from;
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      if (at === frame.end) {
        if (frame.group !== 0) throw new PartError(at, `the group ${frame.group} has no end`);
        frames.pop();
      } else if (at < stop) {
        at = this.#field(at, frame);
      } else return at;
    }
    return -1;
  }

  /** Checks the field at `at`, or its beginning if it is a message. Returns where to go on. */
  #field(at: number, { plan, end, group }: Frame): number {
    const tag = this.#varints.readShort(at, end, 'a tag');
    const number = tag >>> 3;
    const wire = tag & 7;
    const start = this.#varints.at;
    if (number === 0) throw new PartError(at, 'a tag has the field number 0');
    if (wire > WIRE.I32) throw new PartError(at, `a tag has the wire type ${wire}`);
    if (wire === WIRE.END_GROUP) {
      if (number !== group) throw new PartError(at, `the group ${number} ends and is not open`);
      this.#frames.pop();
      return start;
    }
    const field = plan?.fields.get(number);
    if (field === undefined) return this.#skip(start, end, number, wire);
    if (field.counts) this.#count(1);
    if (wire !== field.wire) return this.#packed(at, start, end, wire, field);
    if (wire === WIRE.START_GROUP) this.open(field.child?.(), end, number);
    if (wire !== WIRE.LEN) return this.#plain(start, end, wire, field.name);
    const valueEnd = this.#lengthEnd(start, end, field.name);
    const valueStart = this.#varints.at;
    if (field.child !== undefined) {
      this.open(field.child(), valueEnd, 0);
      return valueStart;
    }
    if (field.isText && !isUtf8(this.#bytes.subarray(valueStart, valueEnd))) {
      throw new PartError(valueStart, `the text of ${field.name} is not UTF-8`);
    }
    return valueEnd;
  }

  /** A field without a known type. */
  #skip(start: number, end: number, number: number, wire: number): number {
    const name = `the unknown field ${number}`;
    if (wire === WIRE.LEN) return this.#lengthEnd(start, end, name);
    if (wire === WIRE.START_GROUP) this.open(undefined, end, number);
    return this.#plain(start, end, wire, name);
  }

  /** A list of numbers in one length, or a fault: another encoding than that of the field's type. */
  #packed(at: number, start: number, end: number, wire: number, { name, packed, wire: declared }: FieldPlan): number {
    if (wire !== WIRE.LEN || packed === -1) {
      throw new PartError(
        at,
        `${name} has the wire type of ${WIRE_NAMES[wire]}, its type has that of ${WIRE_NAMES[declared]}`,
      );
    }
    const listEnd = this.#lengthEnd(start, end, name);
    let next = this.#varints.at;
    while (next < listEnd) {
      this.#count(1);
      next = this.#plain(next, listEnd, packed, name);
    }
    return listEnd;
  }

  /** A value that is no length. A group begins without one. */
  #plain(start: number, end: number, wire: number, name: string): number {
    if (wire === WIRE.START_GROUP) return start;
    if (wire === WIRE.VARINT) {
      this.#varints.pass(start, end, name);
      return this.#varints.at;
    }
    const next = start + (wire === WIRE.I64 ? 8 : 4);
    if (next > end) throw new PartError(start, `${name} is cut off`);
    return next;
  }

  /** The end of the value whose length stands at `start`. */
  #lengthEnd(start: number, end: number, name: string): number {
    const length = this.#varints.readShort(start, end, `the length of ${name}`);
    const valueEnd = this.#varints.at + length;
    if (valueEnd > end) {
      throw new PartError(start, `${name} has the length ${length}, there are ${end - this.#varints.at} bytes`);
    }
    return valueEnd;
  }

  #count(elements: number): void {
    this.#elements += elements;
    if (this.#elements > this.#limits.maxElements) throw new LimitError('maxElements');
  }
}

const PLANS = new WeakMap<DescMessage, MessagePlan>();

function planOf(desc: DescMessage): MessagePlan {
  let plan = PLANS.get(desc);
  if (plan === undefined) {
    plan = { name: desc.typeName, fields: new Map(desc.fields.map((field) => [field.number, planField(field)])) };
    PLANS.set(desc, plan);
  }
  return plan;
}

function planField(field: DescField): FieldPlan {
  const { name } = field;
  const single = { name, packed: -1, isText: false, counts: false, child: undefined };
  switch (field.fieldKind) {
    case 'message':
      return { ...single, ...planChild(field.message, field.delimitedEncoding), counts: true };
    case 'map':
      return { ...single, wire: WIRE.LEN, counts: true, child: planEntry(field) };
    case 'enum':
      return { ...single, wire: WIRE.VARINT };
    case 'scalar':
      return { ...single, wire: wireOf(field.scalar), isText: field.scalar === ScalarType.STRING };
    default: {
      if (field.listKind === 'message') {
        return { ...single, ...planChild(field.message, field.delimitedEncoding), counts: true };
      }
      const scalar = field.listKind === 'enum' ? ScalarType.INT32 : field.scalar;
      const wire = wireOf(scalar);
      const isText = scalar === ScalarType.STRING;
      return { ...single, wire, packed: wire === WIRE.LEN ? -1 : wire, isText, counts: true };
    }
  }
}

function planChild(message: DescMessage, isGroup: boolean) {
  return { wire: isGroup ? WIRE.START_GROUP : WIRE.LEN, child: () => planOf(message) };
}

/** An entry of a map is a message of a key and a value. */
function planEntry(field: DescField & { readonly fieldKind: 'map' }): () => MessagePlan {
  const single = { packed: -1, counts: false, child: undefined };
  const key = {
    ...single,
    name: `a key of ${field.name}`,
    wire: wireOf(field.mapKey),
    isText: field.mapKey === ScalarType.STRING,
  };
  const named = { ...single, name: `a value of ${field.name}`, isText: field.scalar === ScalarType.STRING };
  const value =
    field.mapKind === 'message'
      ? { ...named, ...planChild(field.message, false), counts: true }
      : { ...named, wire: field.mapKind === 'enum' ? WIRE.VARINT : wireOf(field.scalar) };
  const plan = {
    name: field.name,
    fields: new Map<number, FieldPlan>([
      [1, key],
      [2, value],
    ]),
  };
  return () => plan;
}

export function wireOf(scalar: ScalarType): number {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WIRE.LEN;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WIRE.I64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WIRE.I32;
    default:
      return WIRE.VARINT;
  }
}
