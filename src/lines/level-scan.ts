import { LEVELS, type Level, toLevel } from '../model/level.ts';
import { toWords } from './scan-text.ts';

/** A longer text is no level. */
const MAX_LENGTH = 16;

const LENGTHS = Int32Array.from(LEVELS, (level) => level.length);
/** The first and the last four bytes of each: no level is shorter, or longer than eight. */
const FIRST = Int32Array.from(LEVELS, (level) => toWords(level)[0] as number);
const LAST = Int32Array.from(LEVELS, (level) => toWords(level.slice(-4))[0] as number);
const SHORTEST = Math.min(...LENGTHS);

/** FAST PATH. Whether [start, end) is a level as it is stored. */
export function isStoredLevel(view: DataView, start: number, end: number): boolean {
  const length = end - start;
  if (length < SHORTEST) return false;
  const first = view.getInt32(start, true);
  for (let i = 0; i < FIRST.length; i++) {
    if (FIRST[i] === first && LENGTHS[i] === length) return view.getInt32(end - 4, true) === LAST[i];
  }
  return false;
}

/** The level that the text at [start, end) names; undefined where it names none. */
export function readLevel(bytes: Buffer, start: number, end: number): Level | undefined {
  return end - start > MAX_LENGTH ? undefined : toLevel(bytes.toString('utf8', start, end));
}
