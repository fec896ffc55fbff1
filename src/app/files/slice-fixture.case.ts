import type { Slice } from '../../inputs/files/files.ts';
import type { DeadLetter } from '../../model/deliver.ts';
import type { Reject } from '../../outputs/outputs.ts';
import type { DeliveryReport, SliceOutcome } from './slice-outcome.ts';

/** A stored line of the stream access, with its newline. */
export function accessLine(path: string, hour = 0): string {
  const timestamp = new Date(Date.UTC(2015, 4, 17) + hour * 3_600_000).toISOString().replace('.000', '');
  return `${JSON.stringify({ timestamp, path, userAgent: '-' })}\n`;
}

/** A slice of a file whose lines are the records. */
export function sliceOf(
  lines: readonly string[],
  more: Partial<Omit<Slice, 'converted'>> & { readonly converted?: Partial<Slice['converted']> } = {},
): Slice {
  const body = Buffer.from(lines.join(''));
  const { converted, ...others } = more;
  const to = body.length;
  return {
    name: '/var/log/access.log',
    id: 'abcdefghijklmnop',
    from: 0,
    to,
    number: 1,
    bytes: body,
    position: { offset: to, number: lines.length, state: '' },
    ...others,
    converted: { body, records: lines.length, frames: lines.length, unreadable: [], ...converted },
  };
}

/** Remembers what is put aside and reported. */
export function createRecorder() {
  const rejects: Reject[] = [];
  const letters: DeadLetter[] = [];
  const outcomes: SliceOutcome[] = [];
  const said: string[] = [];
  const report: DeliveryReport = {
    delivered: (_slice, outcome) => void outcomes.push(outcome),
    notify: (message) => void said.push(message),
  };
  return {
    report,
    outcomes,
    said,
    rejected: rejects,
    letters,
    rejects: { add: async (lines: readonly Reject[]) => void rejects.push(...lines) },
    deadLetters: { add: async (lines: readonly DeadLetter[]) => void letters.push(...lines) },
  };
}
