import type { Hour } from '../model/hour.ts';
import type { HourSum, SumQuestion } from './sum-hours.ts';

const MAX_ANSWERS = 64;
/** An answer of so many rows takes a hundred or so KiB; larger ones are not kept. */
const MAX_TOP = 1_000;

/**
 * The same, but what was asked before is not added up again while the files have not changed: an hour with a million
 * paths takes seconds, and a dashboard asks for it again and again.
 */
export function rememberSums(
  sumHours: (question: SumQuestion) => HourSum,
  version: (hour: Hour) => string | undefined,
): (question: SumQuestion) => HourSum {
  /** In the order of last use. */
  const answers = new Map<string, HourSum>();

  return (question) => {
    const { from, to, top, search, audience } = question;
    if (top === undefined || top > MAX_TOP) return sumHours(question);
    const versions = Array.from({ length: to - from }, (_, i) => version(from + i) ?? '');
    const key = JSON.stringify([from, to, top, search ?? '', audience ?? false, versions]);
    const answer = answers.get(key) ?? sumHours(question);
    answers.delete(key);
    // A summary that could not be used is worth another look, and another line in the log.
    if (answer.unusable.length === 0) answers.set(key, answer);
    for (const oldest of answers.keys()) {
      if (answers.size <= MAX_ANSWERS) break;
      answers.delete(oldest);
    }
    return answer;
  };
}
