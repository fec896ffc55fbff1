// FAST PATH. Reads levels from bytes as toLevel does from text, by words and without a string.

import { LEVELS, LEVELS_BY_NAME, type Level, toLevel } from '../model/level.ts';
import { toWords } from './scan-text.ts';

/** A name of a level, in lower case. */
interface LevelName {
  readonly index: number;
  readonly words: Int32Array;
}

/** Bytes of the shortest level as it is stored. */
const SHORTEST = 4;
/** A letter with this bit set is lower case; no other byte from 0x20 to 0x7f becomes a letter or a digit by it. */
const LOWER_CASE_BITS = 0x20202020;

/** The first four bytes of each level as it is stored, and its last four. */
const FIRST_WORDS = new Int32Array(LEVELS.map((level) => toWords(level)[0] as number));
const LAST_WORDS = new Int32Array(LEVELS.map((level) => toWords(level.slice(-SHORTEST))[0] as number));
const LENGTHS = new Int32Array(LEVELS.map((level) => level.length));

/** Names of four bytes or more, by their length. */
const NAMES: readonly (readonly LevelName[])[] = namesByLength();
/** Names of one to three bytes: few, and seldom sent. */
const SHORT_NAMES: ReadonlyMap<number, number> = shortNames();

/** The stored form of each level, by its place in LEVELS. */
export const LEVEL_VIEWS: readonly DataView[] = LEVELS.map((level) => {
  const bytes = Buffer.from(level);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
});

/** Bytes of the longest level as it is stored. */
export const MAX_LEVEL_LENGTH = Math.max(...LEVELS.map((level) => level.length));

/** The offset after the level that stands in stored form at `at`, before a quote; -1 where none does. `at` + 7 is in the bytes. */
export function storedLevelEnd(view: DataView, at: number): number {
  const word = view.getInt32(at, true);
  for (let level = 0; level < FIRST_WORDS.length; level++) {
    if (FIRST_WORDS[level] !== word) continue;
    const length = LENGTHS[level] as number;
    return view.getInt32(at + length - SHORTEST, true) === LAST_WORDS[level] ? at + length : -1;
  }
  return -1;
}

/**
 * The place in LEVELS of the level that [start, end) names, in any case; -1 where toLevel must judge. The bytes are text without control
 * characters, and `end` is in them.
 */
export function levelNamed(view: DataView, start: number, end: number): number {
  const length = end - start;
  if (length < SHORTEST) return shortLevel(view, start, length);
  const names = NAMES[length];
  if (names === undefined) return -1;
  const first = view.getInt32(start, true) | LOWER_CASE_BITS;
  for (let i = 0; i < names.length; i++) {
    const { words, index } = names[i] as LevelName;
    if (words[0] === first && hasWords(view, start, end, words)) return index;
  }
  return -1;
}

/** Whether [start, end), any bytes, is a level as it is stored. */
export function isStoredLevel(view: DataView, start: number, end: number): boolean {
  if (end - start < SHORTEST) return false;
  const first = view.getInt32(start, true);
  for (let level = 0; level < FIRST_WORDS.length; level++) {
    if (FIRST_WORDS[level] === first && LENGTHS[level] === end - start) {
      return view.getInt32(end - SHORTEST, true) === LAST_WORDS[level];
    }
  }
  return false;
}

/** The level that [start, end), any bytes, names; undefined where they name none. */
export function readLevel(bytes: Buffer, start: number, end: number): Level | undefined {
  return end - start > NAMES.length ? undefined : toLevel(bytes.toString('utf8', start, end));
}

/** The place in LEVELS of a level of syslog by its digit, `0` to `7`. */
export function levelOfDigit(digit: number): number {
  return SHORT_NAMES.get(digit) as number;
}

function hasWords(view: DataView, start: number, end: number, words: Int32Array): boolean {
  const last = words.length - 1;
  for (let i = 1; i < last; i++) if ((view.getInt32(start + i * 4, true) | LOWER_CASE_BITS) !== words[i]) return false;
  return (view.getInt32(end - 4, true) | LOWER_CASE_BITS) === words[last];
}

function shortLevel(view: DataView, start: number, length: number): number {
  let word = 0;
  for (let i = 0; i < length; i++) word |= (view.getUint8(start + i) | 0x20) << (i * 8);
  return SHORT_NAMES.get(word) ?? -1;
}

function placeOf(level: Level): number {
  return LEVELS.indexOf(level);
}

function namesByLength(): LevelName[][] {
  const byLength: LevelName[][] = [];
  for (const [name, level] of LEVELS_BY_NAME) {
    if (name.length < SHORTEST) continue;
    byLength[name.length] ??= [];
    byLength[name.length]?.push({ index: placeOf(level), words: toWords(name.toLowerCase()) });
  }
  return byLength;
}

function shortNames(): Map<number, number> {
  const names = new Map<number, number>();
  for (const [name, level] of LEVELS_BY_NAME) {
    if (name.length >= SHORTEST) continue;
    const bytes = Buffer.from(name.toLowerCase());
    names.set(
      bytes.reduce((word, byte, i) => word | (byte << (i * 8)), 0),
      placeOf(level),
    );
  }
  return names;
}
