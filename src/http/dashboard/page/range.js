// Ranges of hours: from, and to, which is the hour after the last.

import { hourOf } from './format.js';

const MAX_HOURS = 744;

/** The hour of now is the last of them. */
export function lastHours(hours) {
  const end = hourOf(Date.now()) + 1;
  return { from: end - hours, to: end };
}

/** Why there is no such range, or an empty text. */
export function problemOf({ from: first, to: end }) {
  if (first === undefined || end === undefined) return 'Give both ends of the range as a date and a full hour.';
  if (end <= first) return 'The range ends before it begins.';
  if (end - first > MAX_HOURS) return 'A range has at most 31 days.';
  return '';
}
