/*
 * The JSON body of a 202:
 *
 *   {"accepted":100}
 *   {"accepted":98,"rejected":2,"errors":[…]}     records were left out; `errors` lists the first of them
 *   {"accepted":98,"rejected":2}                  the same, given for a repeat once the list is forgotten (key-table.ts)
 */
const ANSWER = /^\{"accepted":(\d{1,9})(?:,"rejected":(\d{1,9})(?:,"errors":\[.*\])?)?\}$/;

export interface AnswerCounts {
  readonly accepted: number;
  readonly rejected: number;
}

export function formatAnswer({ accepted, rejected }: AnswerCounts, errors?: readonly unknown[]): string {
  if (rejected === 0) return `{"accepted":${accepted}}`;
  return JSON.stringify(errors === undefined ? { accepted, rejected } : { accepted, rejected, errors });
}

/** The counts of an answer in the form above; undefined for another text. Whether `errors` is JSON is not looked at. */
export function readAnswer(text: string): AnswerCounts | undefined {
  const match = ANSWER.exec(text);
  return match === null ? undefined : { accepted: Number(match[1]), rejected: Number(match[2] ?? 0) };
}
