import { BYTES, isWhite } from '../../model/bytes.ts';
import type { FieldMap } from '../../model/field-map.ts';
import {
  type AccessFault,
  hasStored,
  type Meaning,
  type ReadContext,
  readAccessFields,
  readValues,
} from './access-values.ts';
import { FastJson } from './fast-json.ts';
import { explainInvalid, explainMissing, memberNames, shownValue } from './json-faults.ts';
import { exactTime, isBent, membersOf, tokenAt } from './json-members.ts';
import { readUsualNames, type UsualValues } from './json-names.ts';
import type { JsonPlan } from './json-plan.ts';
import { findShape, planOfShape, type Shape } from './json-shapes.ts';
import { type JsonObject, readJsonObject } from './json-text.ts';
import { isUsed } from './json-used.ts';
import type {
  AccessFields,
  AccessLines,
  ExtraField,
  LineFormat,
  LineOptions,
  LineReader,
  LineVerdict,
} from './line-format.ts';
import { LogTime } from './log-time.ts';
import { MAPPED, MappedValues } from './mapped-values.ts';

const { OPEN_BRACE } = BYTES;

/** Of a line that is cut, or has another fault. */
const LIKELY = 0.5;
/** Of usual names, a URL is split. */
const USUAL: Meaning = { durationUnit: 's', splitsUrls: true };
const NO_EXTRAS: readonly ExtraField[] = [];

/**
 * Lines of JSON, each an object that tells of a request. With a map that alone says what stands where. Without one the object is a record as
 * POST /logs takes it, or of a known shape (json-shapes.ts), or has usual names (json-names.ts); of the first and the last all members are kept.
 */
export function createJsonLog(map?: FieldMap): LineFormat {
  const mapped = map === undefined ? undefined : new MappedValues(map);
  const fast = new FastReaders();
  return { name: 'ndjson', score: scoreJson, createReader: (options) => new JsonLogReader(options, mapped, fast) };
}

/** An object is JSON and nothing else, whether or not its fields are known. */
function scoreJson(line: Buffer): number {
  let start = 0;
  while (isWhite(line[start])) start++;
  if (line[start] !== OPEN_BRACE) return 0;
  return 'reason' in readJsonObject(line, start, line.length) ? LIKELY : 1;
}

/** For all readers of a format: one for each would keep the last block of each file alive. */
class FastReaders {
  readonly #readers = new Map<unknown, FastJson>();

  /** `of`: the map or the shape that the plan is made of. */
  get(of: MappedValues | Shape, { zone, fields }: LineOptions, plan: () => JsonPlan): FastJson {
    const known = this.#readers.get(of);
    if (known?.isFor(zone, fields)) return known;
    const reader = new FastJson(plan(), { zone, fields });
    this.#readers.set(of, reader);
    return reader;
  }
}

class JsonLogReader implements LineReader {
  readonly state = '';
  readonly #options: LineOptions;
  readonly #context: ReadContext;
  readonly #mapped: MappedValues | undefined;
  readonly #readers: FastReaders;
  /** Of the map, or of the shape that was found last. */
  #fast: FastJson | undefined;

  constructor(options: LineOptions, mapped: MappedValues | undefined, readers: FastReaders) {
    this.#options = options;
    this.#context = { time: new LogTime(options.zone), fields: options.fields };
    this.#mapped = mapped;
    this.#readers = readers;
    if (mapped !== undefined) this.#fast = readers.get(mapped, options, () => mapped.plan);
  }

  read(bytes: Buffer, start: number, end: number, out: AccessLines): LineVerdict {
    if (this.readRecord(bytes, start, end, out)) return 'record';
    const object = readJsonObject(bytes, start, end);
    if ('reason' in object) return object;
    if (this.#mapped !== undefined) return this.#readMapped(this.#mapped, object, out);
    return isOwnRecord(object) ? this.#readOwn(object, out) : this.#readKnown(object, out);
  }

  /** A line of the map's plan, or of the shape that was found last. */
  readRecord(bytes: Buffer, start: number, end: number, out: AccessLines): boolean {
    return this.#fast?.read(bytes, start, end, out) === true;
  }

  #readMapped(mapped: MappedValues, object: JsonObject, out: AccessLines): LineVerdict {
    const fields = readAccessFields(mapped.read(object), MAPPED, this.#context);
    if ('fault' in fields) return { reason: explain(fields, object, mapped.sourcesOf(fields.fault)) };
    return this.#add(out, fields, () => mapped.extras(object, fields));
  }

  #readOwn(object: JsonObject, out: AccessLines): LineVerdict {
    const { timestamp, path, userAgent } = object.value;
    const time = this.#context.time.read(
      isBent(timestamp) ? exactTime(timestamp, tokenAt(object.text, ['timestamp'])) : timestamp,
    );
    if (time === undefined) return { reason: `invalid timestamp ${shownValue(timestamp)}` };
    const fields = { timestamp: time, path: String(path).trim(), userAgent: String(userAgent).trim() || '-' };
    if (fields.path === '') return { reason: 'blank path' };
    return this.#add(out, fields, () => membersOf(object, isNotRequired));
  }

  #readKnown(object: JsonObject, out: AccessLines): LineVerdict {
    const shape = findShape(object);
    if (shape === undefined) return this.#readUsual(object, out);
    this.#fast = this.#readers.get(shape, this.#options, () => planOfShape(shape));
    const fields = readAccessFields(readValues(shape.sources, object), shape, this.#context);
    return 'fault' in fields ? { reason: explain(fields, object) } : this.#add(out, fields, () => NO_EXTRAS);
  }

  #readUsual(object: JsonObject, out: AccessLines): LineVerdict {
    const usual = readUsualNames(object);
    if (usual === undefined)
      return { reason: `has no known fields; it has: ${memberNames(object)} (name them with --map)` };
    const fields = readAccessFields(usual.values, USUAL, this.#context);
    if ('fault' in fields) return { reason: explain(fields, object) };
    return this.#add(out, fields, () => othersOf(object, fields, usual, this.#context));
  }

  #add(out: AccessLines, fields: AccessFields, extras: () => readonly ExtraField[]): LineVerdict {
    out.add(fields, this.#context.fields === 'core' ? NO_EXTRAS : extras());
    return 'record';
  }
}

/** Whether an object is a record as POST /logs takes it. */
export function isOwnRecord({ value: { timestamp, path, userAgent } }: JsonObject): boolean {
  return timestamp !== undefined && timestamp !== null && typeof path === 'string' && typeof userAgent === 'string';
}

function isNotRequired(name: string): boolean {
  return name !== 'timestamp' && name !== 'path' && name !== 'userAgent';
}

/** The members that say more than the fields do, and have no name that one of them is stored under. */
function othersOf(
  object: JsonObject,
  fields: AccessFields,
  { names }: UsualValues,
  { time }: ReadContext,
): readonly ExtraField[] {
  const { value } = object;
  const isOther = (name: string) => !hasStored(fields, name) && !isUsed(name, value[name], { fields, names, time });
  return Object.keys(value).some(isOther) ? membersOf(object, isOther) : NO_EXTRAS;
}

function explain({ fault, value }: AccessFault, object: JsonObject, sources = ''): string {
  return value === undefined ? explainMissing(fault, object, sources) : explainInvalid(fault, value, sources);
}
