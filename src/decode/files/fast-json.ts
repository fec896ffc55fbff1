// FAST PATH. Writes the stored lines of ordinary JSON of an access log from their bytes, without an object of each: bench/micro.ts compares.
// fast-json.test.ts holds it to the bytes of the reference reader (access-values.ts).
//
// An ordinary line has each wanted value at most once. Its texts are ASCII without escapes and without blanks at their ends, its path is a
// target without blanks, its numbers are not negative. Of any other line, and where the reference reader might see it in another way, nothing
// is written.

import { BYTES, isDigit } from '../../model/bytes.ts';
import { copyBytes, findEnd, viewOf } from './access/line-bytes.ts';
import { type DurationUnit, secondsOf } from './access-values.ts';
import { FastTime } from './fast-time.ts';
import { type CompiledPlan, compilePlan, type JsonPlan, type PlannedField, type Sources } from './json-plan.ts';
import type { AccessLines } from './line-format.ts';
import { LogTime } from './log-time.ts';
import { MemberPlaces } from './member-places.ts';

const { COLON, LOWER_F, LOWER_N, LOWER_T, MINUS, OPEN_BRACE, OPEN_BRACKET, POINT, QUOTE, SLASH, SPACE, ZERO } = BYTES;

/** As many digits are a safe integer. */
const MAX_COUNT_DIGITS = 15;
const STATUS_DIGITS = 3;
/** Instead of the id of a value: no source has one; it is an object or list. */
const ABSENT = -1;
const NESTED = -2;
/** Instead of an offset: the line is not ordinary. */
const NOT_ORDINARY = -1;

const PATH_LEAD = leadOf('","path":"');
const AGENT_LEAD = leadOf('","userAgent":"');
const LINE_END = leadOf('}\n');

export class FastJson {
  readonly #plan: CompiledPlan;
  readonly #durationUnit: DurationUnit;
  readonly #splitsUrls: boolean;
  readonly #core: boolean;
  readonly #zone: number;
  readonly #places: MemberPlaces;
  readonly #time: FastTime;
  #target: Buffer = Buffer.alloc(0);
  #to: DataView = viewOf(this.#target);

  /** `zone`: of times that name none, minutes east of UTC. */
  constructor(plan: JsonPlan, { zone, fields }: { readonly zone: number; readonly fields: 'all' | 'core' }) {
    this.#plan = compilePlan(plan);
    this.#durationUnit = plan.meaning.durationUnit;
    this.#splitsUrls = plan.meaning.splitsUrls;
    this.#core = fields === 'core';
    this.#zone = zone;
    this.#time = new FastTime(new LogTime(zone));
    this.#places = new MemberPlaces(this.#plan.tree);
  }

  isFor(zone: number, fields: 'all' | 'core'): boolean {
    return zone === this.#zone && this.#core === (fields === 'core');
  }

  /** Writes the line bytes[start, end), or gives false and writes nothing: then the reference reader must read it. */
  read(bytes: Buffer, start: number, end: number, out: AccessLines): boolean {
    if (!this.#places.find(bytes, start, end) || !this.#isOfPlan()) return false;
    const { buffer, used } = out.reserve((end - start) * this.#plan.copies + this.#plan.overhead);
    if (buffer !== this.#target) {
      this.#target = buffer;
      this.#to = viewOf(buffer);
    }
    let at = this.#writeCore(used);
    if (at !== NOT_ORDINARY && !this.#core) at = this.#writeOthers(at);
    if (at === NOT_ORDINARY) return false;
    out.added(copyBytes(this.#to, at, LINE_END, 0, LINE_END.byteLength));
    return true;
  }

  #isOfPlan(): boolean {
    for (const sources of this.#plan.needs) if (this.#pick(sources) < 0) return false;
    for (const group of this.#plan.foreign) if (group.every((sources) => this.#pick(sources) !== ABSENT)) return false;
    return true;
  }

  /** The source that counts, as pickSource has it. */
  #pick(sources: Sources): number {
    const { starts, ends, bytes } = this.#places;
    let second = ABSENT;
    for (let i = 0; i < sources.length; i++) {
      const id = sources[i] as number;
      const start = starts[id] as number;
      const first = bytes[start];
      if (start === 0 || first === LOWER_N) continue;
      if (first === OPEN_BRACE || first === OPEN_BRACKET) return NESTED;
      if (first !== QUOTE || !saysNothing(bytes, start, ends[id] as number)) return id;
      if (second === ABSENT) second = id;
    }
    return second;
  }

  #writeCore(used: number): number {
    const { bytes, view, starts, ends } = this.#places;
    const time = this.#pick(this.#plan.timestamp);
    const path = this.#pick(this.#plan.path);
    const agent = this.#pick(this.#plan.userAgent);
    if (time < 0 || path < 0 || agent === NESTED) return NOT_ORDINARY;
    for (const sources of this.#plan.partsOfPath) if (this.#pick(sources) !== ABSENT) return NOT_ORDINARY;
    if (!this.#isNumberOrPlain(time) || !this.#isTarget(path)) return NOT_ORDINARY;
    let at = this.#time.write(this.#to, used, bytes, starts[time] as number, ends[time] as number);
    if (at === NOT_ORDINARY) return at;
    at = copyBytes(this.#to, at, PATH_LEAD, 0, PATH_LEAD.byteLength);
    at = copyBytes(this.#to, at, view, (starts[path] as number) + 1, (ends[path] as number) - 1);
    at = copyBytes(this.#to, at, AGENT_LEAD, 0, AGENT_LEAD.byteLength);
    if (agent !== ABSENT && !this.#isTrimmedText(agent)) return NOT_ORDINARY;
    if (agent === ABSENT || ends[agent] === (starts[agent] as number) + 2) this.#to.setUint8(at++, MINUS);
    else at = copyBytes(this.#to, at, view, (starts[agent] as number) + 1, (ends[agent] as number) - 1);
    this.#to.setUint8(at, QUOTE);
    return at + 1;
  }

  #writeOthers(used: number): number {
    let at = this.#writeClient(used);
    at = this.#writeName(at, this.#plan.user);
    at = this.#writeName(at, this.#plan.host);
    at = this.#writeName(at, this.#plan.method);
    at = this.#writeProtocol(at);
    at = this.#writeCount(at, this.#plan.status, STATUS_DIGITS, STATUS_DIGITS);
    at = this.#writeCount(at, this.#plan.bytes, 1, MAX_COUNT_DIGITS);
    at = this.#writeName(at, this.#plan.referrer);
    at = this.#writeDuration(at);
    at = this.#writeName(at, this.#plan.rest);
    for (const field of this.#plan.extras) at = this.#writeExtra(at, field);
    return at;
  }

  /** A text. Of the client an address with a port or in brackets is not ordinary. */
  #writeClient(used: number): number {
    const id = this.#pick(this.#plan.client.sources);
    if (id >= 0) {
      const { bytes, starts, ends } = this.#places;
      const start = starts[id] as number;
      let colons = 0;
      let points = 0;
      for (let i = start + 1; i < (ends[id] as number) - 1; i++) {
        if (bytes[i] === COLON) colons++;
        else if (bytes[i] === POINT) points++;
      }
      if (bytes[start + 1] === OPEN_BRACKET || (colons > 0 && points > 0)) return NOT_ORDINARY;
    }
    return this.#writeName(used, this.#plan.client);
  }

  /** A text. A protocol that is a version alone is not ordinary. */
  #writeProtocol(used: number): number {
    const id = this.#pick(this.#plan.protocol.sources);
    if (id >= 0 && isDigit(this.#places.bytes[(this.#places.starts[id] as number) + 1] as number)) return NOT_ORDINARY;
    return this.#writeName(used, this.#plan.protocol);
  }

  /** `,"user":"alice"`; nothing where there is none, or it says nothing. */
  #writeName(used: number, { sources, lead }: PlannedField): number {
    if (used === NOT_ORDINARY) return used;
    const id = this.#pick(sources);
    if (id === ABSENT) return used;
    const { bytes, view, starts, ends } = this.#places;
    const start = starts[id] as number;
    const end = ends[id] as number;
    if (id === NESTED || !this.#isTrimmedText(id)) return NOT_ORDINARY;
    if (saysNothing(bytes, start, end)) return used;
    return copyBytes(this.#to, copyBytes(this.#to, used, lead, 0, lead.byteLength), view, start, end);
  }

  /** `,"status":200`, a number or its digits as text. */
  #writeCount(used: number, { sources, lead }: PlannedField, minDigits: number, maxDigits: number): number {
    if (used === NOT_ORDINARY) return used;
    const id = this.#pick(sources);
    if (id === ABSENT) return used;
    if (id === NESTED) return NOT_ORDINARY;
    const { bytes, view, starts, ends } = this.#places;
    const isText = bytes[starts[id] as number] === QUOTE ? 1 : 0;
    const start = (starts[id] as number) + isText;
    const end = (ends[id] as number) - isText;
    if (isText === 1 && (end === start || (end === start + 1 && bytes[start] === MINUS))) return used;
    if (end - start < minDigits || end - start > maxDigits) return NOT_ORDINARY;
    for (let i = start; i < end; i++) if (!isDigit(bytes[i] as number)) return NOT_ORDINARY;
    if (bytes[start] === ZERO && end - start > 1) return NOT_ORDINARY;
    return copyBytes(this.#to, copyBytes(this.#to, used, lead, 0, lead.byteLength), view, start, end);
  }

  #writeDuration(used: number): number {
    if (used === NOT_ORDINARY) return used;
    const { sources, lead } = this.#plan.duration;
    const id = this.#pick(sources);
    if (id === ABSENT) return used;
    if (id === NESTED || !this.#isNumberOrPlain(id)) return NOT_ORDINARY;
    const { bytes, view, starts, ends } = this.#places;
    const start = starts[id] as number;
    const end = ends[id] as number;
    const stop = this.#durationUnit === 's' ? decimalEnd(bytes, start, end) : -1;
    if (stop !== -1) return copyBytes(this.#to, copyBytes(this.#to, used, lead, 0, lead.byteLength), view, start, stop);
    const value =
      bytes[start] === QUOTE
        ? bytes.toString('latin1', start + 1, end - 1)
        : Number(bytes.toString('latin1', start, end));
    const seconds = secondsOf(value, this.#durationUnit);
    if (seconds === undefined) return used;
    const at = copyBytes(this.#to, used, lead, 0, lead.byteLength);
    const text = String(seconds);
    for (let i = 0; i < text.length; i++) this.#to.setUint8(at + i, text.charCodeAt(i));
    return at + text.length;
  }

  /** A value as it stands. */
  #writeExtra(used: number, { sources, lead }: PlannedField): number {
    if (used === NOT_ORDINARY) return used;
    const id = this.#pick(sources);
    if (id === ABSENT) return used;
    const { bytes, view, starts, ends } = this.#places;
    if (id === NESTED || (bytes[starts[id] as number] === QUOTE && !this.#isPlain(id))) return NOT_ORDINARY;
    const at = copyBytes(this.#to, used, lead, 0, lead.byteLength);
    return copyBytes(this.#to, at, view, starts[id] as number, ends[id] as number);
  }

  /** Text in ASCII without escapes. */
  #isPlain(id: number): boolean {
    const { bytes, view, starts, ends } = this.#places;
    const start = starts[id] as number;
    return bytes[start] === QUOTE && findEnd(view, start + 1) === (ends[id] as number) - 1;
  }

  #isTrimmedText(id: number): boolean {
    const { bytes, starts, ends } = this.#places;
    const start = (starts[id] as number) + 1;
    const end = (ends[id] as number) - 1;
    return this.#isPlain(id) && (start === end || (bytes[start] !== SPACE && bytes[end - 1] !== SPACE));
  }

  #isNumberOrPlain(id: number): boolean {
    const first = this.#places.bytes[this.#places.starts[id] as number];
    return first === QUOTE ? this.#isPlain(id) : first !== LOWER_T && first !== LOWER_F;
  }

  /** A text that is a path as it stands: no URL to split, no request line. */
  #isTarget(id: number): boolean {
    const { bytes, starts, ends } = this.#places;
    const start = (starts[id] as number) + 1;
    const end = (ends[id] as number) - 1;
    if (!this.#isPlain(id) || saysNothing(bytes, start - 1, end + 1)) return false;
    if (this.#splitsUrls && bytes[start] !== SLASH) return false;
    for (let i = start; i < end; i++) if (bytes[i] === SPACE) return false;
    return true;
  }
}

/** Seconds are rounded to so many digits (secondsOf). */
const EXACT_DIGITS = 12;
/** After the point: a number with more before its first digit is written with an exponent. */
const MAX_LEADING_ZEROS = 5;

/** Where a number that is written like JSON.stringify would write it ends without zeros after its fraction; -1: it may be written in another way. */
function decimalEnd(bytes: Buffer, start: number, end: number): number {
  let point = start;
  while (point < end && isDigit(bytes[point] as number)) point++;
  if (point === end) return end - start <= EXACT_DIGITS ? end : -1;
  if (bytes[point] !== POINT) return -1;
  let stop = end;
  while (bytes[stop - 1] === ZERO) stop--;
  if (stop === point + 1) return point - start <= EXACT_DIGITS ? point : -1;
  for (let i = point + 1; i < stop; i++) if (!isDigit(bytes[i] as number)) return -1;
  if (stop - start > EXACT_DIGITS + 1) return -1;
  let first = point + 1;
  while (bytes[first] === ZERO) first++;
  return bytes[start] === ZERO && first - point - 1 > MAX_LEADING_ZEROS ? -1 : stop;
}

/** `""` and `"-"` */
function saysNothing(bytes: Buffer, start: number, end: number): boolean {
  return end === start + 2 || (end === start + 3 && bytes[start + 1] === MINUS);
}

function leadOf(text: string): DataView {
  return viewOf(Buffer.from(text));
}
