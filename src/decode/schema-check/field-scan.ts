// FAST PATH. Checks the fields of a stored line in its bytes, for schemas that ask only for types, lengths of texts, lists of texts and
// required fields at the top level. It accepts what is certainly valid; ajv judges the rest, and gives the reasons.

import { findStop, toWords } from '../../lines/scan-text.ts';
import { BYTES, isContinuation, isDigit } from '../../model/bytes.ts';
import { type FieldRule, FieldType } from './field-rules.ts';

const {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  LOWER_F,
  LOWER_N,
  LOWER_T,
  MINUS,
  OPEN_BRACE,
  OPEN_BRACKET,
  POINT,
  QUOTE,
} = BYTES;

/** The most bytes of an integer that is certainly exact. */
const EXACT_DIGITS = 15;
/** A decimal number with fewer bytes and no exponent is certainly finite. */
const FINITE_BYTES = 300;
/** `\ud83d\ude00` is one character. */
export const MOST_BYTES_OF_CHARACTER = 12;

/** A rule as the scanner uses it. */
interface Slot extends FieldRule {
  /** The name as the service writes it, from its opening quote to the colon. */
  readonly lead: Text;
  readonly allowed: readonly Text[] | undefined;
}

/** Bytes to compare with. */
export interface Text {
  readonly bytes: Buffer;
  readonly length: number;
  /** As toWords gives them; none for fewer than four bytes. */
  readonly words: Int32Array;
}

export function toText(text: string): Text {
  const bytes = Buffer.from(text);
  return { bytes, length: bytes.length, words: bytes.length < 4 ? new Int32Array(0) : toWords(text) };
}

export interface FieldScan {
  /** See RecordCheck.accepts. */
  accepts(bytes: Buffer, view: DataView, start: number, end: number): boolean;
}

/** By what readFieldRules found. */
export function createFieldScan(rules: readonly FieldRule[]): FieldScan {
  return new Scan(rules);
}

class Scan implements FieldScan {
  readonly #slots: readonly Slot[];
  readonly #required: number;
  /** Whether the string read last has an escape. */
  #hasEscape = false;

  constructor(rules: readonly FieldRule[]) {
    this.#slots = rules.map((rule) => ({
      ...rule,
      lead: toText(`${JSON.stringify(rule.name)}:`),
      allowed: rule.values?.map(toText),
    }));
    this.#required = rules.filter(({ isRequired }) => isRequired).length;
  }

  accepts(bytes: Buffer, view: DataView, start: number, end: number): boolean {
    // Each name stands once in a stored line, so counting tells whether all are there.
    const slots = this.#slots;
    let missing = this.#required;
    let next = 0;
    let at = start + 1;
    if (bytes[at] === CLOSE_BRACE) return missing === 0;
    for (;;) {
      let nameEnd: number;
      // Most lines have their fields in one order.
      let place = next;
      const expected = slots[place];
      if (expected !== undefined && isAt(expected.lead, bytes, view, at, end)) {
        nameEnd = at + expected.lead.length - 1;
      } else {
        const stop = findStop(bytes, view, at + 1, end);
        // A name with an escape may be that of a rule, written in another way.
        if (bytes[at] !== QUOTE || bytes[stop] !== QUOTE || bytes[stop + 1] !== COLON) return false;
        nameEnd = stop + 1;
        place = this.#placeOf(bytes, view, at, nameEnd);
      }
      const valueStart = nameEnd + 1;
      const valueEnd = this.#valueEnd(bytes, view, valueStart, end);
      if (valueEnd === -1) return false;
      if (place !== -1) {
        const slot = slots[place] as Slot;
        if (!this.#isValid(slot, bytes, view, valueStart, valueEnd)) return false;
        if (slot.isRequired) missing--;
        next = place + 1;
      }
      if (bytes[valueEnd] === CLOSE_BRACE) return missing === 0;
      if (bytes[valueEnd] !== COMMA) return false;
      at = valueEnd + 1;
    }
  }

  /** The place of the rule for the name from its quote at `start` to its colon at `end`, or -1. */
  #placeOf(bytes: Buffer, view: DataView, start: number, end: number): number {
    const slots = this.#slots;
    for (let i = 0; i < slots.length; i++) {
      const { lead } = slots[i] as Slot;
      if (lead.length === end + 1 - start && isAt(lead, bytes, view, start, end + 1)) return i;
    }
    return -1;
  }

  /** The offset after the value at `at`, or -1. */
  #valueEnd(bytes: Buffer, view: DataView, at: number, end: number): number {
    const first = bytes[at] as number;
    if (first === QUOTE) return this.#stringEnd(bytes, view, at, end);
    if (first === OPEN_BRACE || first === OPEN_BRACKET) return containerEnd(bytes, view, at, end);
    let i = at;
    while (i < end && bytes[i] !== COMMA && bytes[i] !== CLOSE_BRACE) i++;
    return i;
  }

  #stringEnd(bytes: Buffer, view: DataView, at: number, end: number): number {
    let i = findStop(bytes, view, at + 1, end);
    this.#hasEscape = bytes[i] === BACKSLASH;
    while (bytes[i] === BACKSLASH && i < end) i = findStop(bytes, view, i + 2, end);
    return i < end && bytes[i] === QUOTE ? i + 1 : -1;
  }

  #isValid(slot: Slot, bytes: Buffer, view: DataView, start: number, end: number): boolean {
    const { types, minLength, maxLength, allowed } = slot;
    const first = bytes[start] as number;
    if (first !== QUOTE)
      return allowed === undefined && (types === FieldType.any || isOfType(types, bytes, start, end));
    if ((types & FieldType.string) === 0) return false;
    if (allowed !== undefined && (this.#hasEscape || !isOneOf(allowed, bytes, view, start + 1, end - 1))) return false;
    const length = end - start - 2;
    if (length <= maxLength && length >= minLength * MOST_BYTES_OF_CHARACTER) return true;
    if (this.#hasEscape) return length <= maxLength && length > 0 && minLength <= 1;
    const characters = countCharacters(bytes, start + 1, end - 1);
    return characters <= maxLength && characters >= minLength;
  }
}

/** Whether the text stands at `at` and ends before `end` or there. */
function isAt({ bytes: own, length, words }: Text, bytes: Buffer, view: DataView, at: number, end: number): boolean {
  if (at + length > end) return false;
  if (length < 4) {
    for (let i = 0; i < length; i++) if (bytes[at + i] !== own[i]) return false;
    return true;
  }
  const last = words.length - 1;
  for (let i = 0; i < last; i++) if (view.getInt32(at + i * 4, true) !== words[i]) return false;
  return view.getInt32(at + length - 4, true) === words[last];
}

/** The offset after the object or array at `at`, or -1. */
function containerEnd(bytes: Buffer, view: DataView, at: number, end: number): number {
  let depth = 0;
  for (let i = at; i < end; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) {
      i = findStop(bytes, view, i + 1, end);
      while (bytes[i] === BACKSLASH && i < end) i = findStop(bytes, view, i + 2, end);
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return i + 1;
  }
  return -1;
}

/** Whether a value that is no string is certainly of one of the types. */
function isOfType(types: number, bytes: Buffer, start: number, end: number): boolean {
  const first = bytes[start] as number;
  if (first === OPEN_BRACE) return (types & FieldType.object) !== 0;
  if (first === OPEN_BRACKET) return (types & FieldType.array) !== 0;
  if (first === LOWER_T || first === LOWER_F) return (types & FieldType.boolean) !== 0;
  if (first === LOWER_N) return (types & FieldType.null) !== 0;
  return isNumberOfType(types, bytes, start, end);
}

function isNumberOfType(types: number, bytes: Buffer, start: number, end: number): boolean {
  let isInteger = end - start <= EXACT_DIGITS;
  for (let i = bytes[start] === MINUS ? start + 1 : start; i < end; i++) {
    if (isDigit(bytes[i] as number)) continue;
    if (bytes[i] !== POINT) return false;
    isInteger = false;
  }
  if (isInteger) return (types & (FieldType.integer | FieldType.number)) !== 0;
  return (types & FieldType.number) !== 0 && end - start < FINITE_BYTES;
}

export function isOneOf(allowed: readonly Text[], bytes: Buffer, view: DataView, start: number, end: number): boolean {
  for (let i = 0; i < allowed.length; i++) {
    const text = allowed[i] as Text;
    if (text.length === end - start && isAt(text, bytes, view, start, end)) return true;
  }
  return false;
}

/** Characters of [start, end), which is UTF-8, as JSON Schema counts them: code points. */
function countCharacters(bytes: Buffer, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i++) if (!isContinuation(bytes[i])) count++;
  return count;
}
