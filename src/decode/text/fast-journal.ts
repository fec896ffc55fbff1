// FAST PATH. The figures stand at fast-text.ts.

import { findStop, isTrimmed } from '../../lines/scan-text.ts';
import { BYTES, isDigit } from '../../model/bytes.ts';
import type { FastLine } from './fast-line.ts';
import { LEVELS_BY_NUMBER } from './fast-syslog.ts';
import type { TextTime } from './text-time.ts';

const { CLOSE_BRACE, COLON, COMMA, OPEN_BRACE, QUOTE, ZERO } = BYTES;

const MAX_NAME_LENGTH = 64;
/** An entry with more members goes to the reference reader. */
const MAX_MEMBERS = 128;
/** Places for the names of an entry: a power of two. */
const SLOTS = 256;

// The names that the reader knows, by their places.
const NAMES = ['__REALTIME_TIMESTAMP', 'PRIORITY', 'MESSAGE', '_SYSTEMD_UNIT', 'SYSLOG_IDENTIFIER', '_COMM'].map(
  (name) => {
    const bytes = Buffer.from(name);
    return { bytes, hash: bytes.reduce(mix, 0) };
  },
);
const TIME = 0;
const PRIORITY = 1;
const MESSAGE = 2;
const SERVICES = [3, 4, 5];

/**
 * Finds the parts of an entry of the journal as journalctl writes it: one flat object without white space, whose names have upper case and whose
 * values are texts without escapes.
 */
export class FastJournal {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #time: TextTime;
  readonly #line: FastLine;
  #members = 0;
  /** Of each member: where its name begins, after the quote, and where its value begins and ends. */
  readonly #nameStarts = new Int32Array(MAX_MEMBERS);
  readonly #valueStarts = new Int32Array(MAX_MEMBERS);
  readonly #valueEnds = new Int32Array(MAX_MEMBERS);
  /** For each of NAMES the member that has it; -1 where none does. */
  readonly #known = new Int8Array(NAMES.length);
  /** The members by the hashes of their names; those of an earlier entry have another number. */
  readonly #slots = new Int32Array(SLOTS);
  readonly #slotEntries = new Int32Array(SLOTS);
  #entry = 0;

  constructor(bytes: Buffer, view: DataView, time: TextTime, line: FastLine) {
    this.#bytes = bytes;
    this.#view = view;
    this.#time = time;
    this.#line = line;
  }

  /** Sets the time and the parts of the entry at [start, end); false where the reference reader must judge it. */
  read(start: number, end: number): boolean {
    if (!this.#readMembers(start, end)) return false;
    const known = this.#known;
    const [time, priority, message] = [known[TIME] as number, known[PRIORITY] as number, known[MESSAGE] as number];
    const service = this.#serviceOf();
    if (time === -1 || message === -1 || service === -1) return false;
    const line = this.#line;
    line.level = priority === -1 ? line.defaultLevel : this.#readLevel(priority);
    line.serviceStart = this.#valueStarts[service] as number;
    line.serviceEnd = this.#valueEnds[service] as number;
    if (
      line.level === -1 ||
      !this.#time.readMicros(this.#valueStarts[time] as number, this.#valueEnds[time] as number) ||
      !isTrimmed(this.#bytes, line.serviceStart, line.serviceEnd) ||
      !line.setMessage(this.#valueStarts[message] as number, this.#valueEnds[message] as number)
    ) {
      return false;
    }
    for (let member = 0; member < this.#members; member++) {
      const isStored = member !== time && member !== priority && member !== message && member !== service;
      if (isStored) line.addMember((this.#nameStarts[member] as number) - 1, (this.#valueEnds[member] as number) + 1);
    }
    return true;
  }

  #readMembers(start: number, end: number): boolean {
    const bytes = this.#bytes;
    this.#members = 0;
    this.#known.fill(-1);
    this.#entry++;
    let at = start;
    if (bytes[at] !== OPEN_BRACE) return false;
    do {
      at = this.#readMember(at + 1, end);
    } while (at !== -1 && at < end && bytes[at] === COMMA);
    return at === end - 1 && bytes[at] === CLOSE_BRACE;
  }

  /** `"NAME":"value"`. Gives the offset after it; -1 for any other. */
  #readMember(start: number, end: number): number {
    const bytes = this.#bytes;
    const nameStart = start + 1;
    let at = nameStart;
    let hash = 0;
    for (; at < end && isOfName(bytes[at] as number); at++) hash = mix(hash, bytes[at] as number);
    const length = at - nameStart;
    const isMember =
      bytes[start] === QUOTE && bytes[at] === QUOTE && bytes[at + 1] === COLON && bytes[at + 2] === QUOTE;
    if (!isMember || length === 0 || length > MAX_NAME_LENGTH || this.#members === MAX_MEMBERS) return -1;
    const valueEnd = findStop(bytes, this.#view, at + 3, end);
    if (valueEnd >= end || bytes[valueEnd] !== QUOTE || !this.#isNew(nameStart, length, hash)) return -1;
    this.#nameStarts[this.#members] = nameStart;
    this.#valueStarts[this.#members] = at + 3;
    this.#valueEnds[this.#members] = valueEnd;
    for (let name = 0; name < NAMES.length; name++) {
      const { bytes: text, hash: known } = NAMES[name] as (typeof NAMES)[number];
      if (known === hash && text.length === length && this.#isText(text, nameStart)) this.#known[name] = this.#members;
    }
    this.#members++;
    return valueEnd + 1;
  }

  /** Whether the entry has no member of that name yet: of several the last one counts. Keeps the member that is read now. */
  #isNew(nameStart: number, length: number, hash: number): boolean {
    const bytes = this.#bytes;
    let slot = hash & (SLOTS - 1);
    for (; this.#slotEntries[slot] === this.#entry; slot = (slot + 1) & (SLOTS - 1)) {
      const other = this.#nameStarts[this.#slots[slot] as number] as number;
      let i = 0;
      while (i < length && bytes[other + i] === bytes[nameStart + i]) i++;
      if (i === length && bytes[other + i] === QUOTE) return false;
    }
    this.#slots[slot] = this.#members;
    this.#slotEntries[slot] = this.#entry;
    return true;
  }

  #isText(text: Buffer, start: number): boolean {
    for (let i = 0; i < text.length; i++) if (text[i] !== this.#bytes[start + i]) return false;
    return true;
  }

  /** The member that names the service; -1 where none does, or the reference must say which. */
  #serviceOf(): number {
    for (let i = 0; i < SERVICES.length; i++) {
      const member = this.#known[SERVICES[i] as number] as number;
      if (member !== -1) return this.#valueStarts[member] === this.#valueEnds[member] ? -1 : member;
    }
    return -1;
  }

  #readLevel(member: number): number {
    const start = this.#valueStarts[member] as number;
    const digit = this.#bytes[start] as number;
    if (this.#valueEnds[member] !== start + 1 || !isDigit(digit)) return -1;
    return LEVELS_BY_NUMBER[digit - ZERO] ?? -1;
  }
}

function mix(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

/** `A` to `Z`, `0` to `9`, `_`. */
function isOfName(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || byte === 0x5f || isDigit(byte);
}
