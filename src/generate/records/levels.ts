import type { Random } from './random.ts';

export type MixedLevel = 'ERROR' | 'WARN' | 'INFO' | 'DEBUG';

const ERRORS = 0.05;
const WARNINGS = 0.1;
/** A fifth of the rest. */
const DETAILS = 0.17;

/** 5 % ERROR, 10 % WARN, 17 % DEBUG, 68 % INFO. */
export function mixLevel(random: Random): MixedLevel {
  const drawn = random.next();
  if (drawn < ERRORS) return 'ERROR';
  if (drawn < ERRORS + WARNINGS) return 'WARN';
  return drawn < ERRORS + WARNINGS + DETAILS ? 'DEBUG' : 'INFO';
}
