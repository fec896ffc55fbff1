import type { StreamHour } from '../model/hour.ts';
import type { HourSum, SumQuestion } from './sum-hours.ts';

const MAX_ANSWERS = 64;
/** Larger answers are not remembered: one of this many rows takes about 100 KiB, unless its keys are long. */
const MAX_TOP = 1_000;
const MAX_KEY_CHARS = 512 * 1024;

/**
 * The same function, but it remembers its answers until the files of their hours change. To add up an hour with a million paths takes
 * seconds, and a dashboard asks for it again and again.
 */
export function cacheSums(
  sumHours: (question: SumQuestion) => HourSum,
  version: (at: StreamHour) => string | undefined,
): (question: SumQuestion) => HourSum {
  /** In the order of last use. */
  const answers = new Map<string, HourSum>();

  return (question) => {
    const { stream, from, to, top, search, audience } = question;
    if (top === undefined || top > MAX_TOP) return sumHours(question);
    const versions = Array.from({ length: to - from }, (_, i) => version({ stream, hour: from + i }) ?? '');
    const key = JSON.stringify([stream, from, to, top, search ?? '', audience ?? false, versions]);
    const answer = answers.get(key) ?? sumHours(question);
    answers.delete(key);
    // Not remembered where a summary cannot be used: it may be replaced soon, and each answer logs it.
    if (answer.unusable.length === 0 && countChars(answer) <= MAX_KEY_CHARS) answers.set(key, answer);
    for (const oldest of answers.keys()) {
      if (answers.size <= MAX_ANSWERS) break;
      answers.delete(oldest);
    }
    return answer;
  };
}

function countChars({ dimensions }: HourSum): number {
  let chars = 0;
  for (const { counts } of dimensions) for (const key of counts.keys()) chars += key.length;
  return chars;
}
