import type { DeliverSlice } from '../../inputs/files/files.ts';
import type { Clock } from '../../model/clock.ts';
import { encodeReject } from '../../outputs/line-files.ts';
import type { LineOutput } from '../../outputs/line-output.ts';
import type { DeliveryReport } from '../files/slice-outcome.ts';

/** Delivers slices to files: their records to the first, the lines that cannot be read to the second. */
export function createOutputDelivery({
  output,
  report,
  clock,
}: {
  readonly output: Pick<LineOutput, 'write'>;
  readonly report: Pick<DeliveryReport, 'delivered'>;
  readonly clock: Clock;
}): DeliverSlice {
  return async function deliverToOutput(slice) {
    const { id, from, to, name, converted } = slice;
    const { body, records, unreadable } = converted;
    const time = clock();
    const rejects = unreadable.map((line) => encodeReject({ ...line, time, file: name }));
    const outcome = await output.write({ id, from, to, lines: [body, Buffer.concat(rejects)] });
    const isKnown = outcome === 'known';
    report.delivered(slice, {
      batches: 1,
      stored: isKnown ? 0 : records,
      duplicates: isKnown ? records : 0,
      isKnown,
      refused: 0,
      unreadable: unreadable.length,
      bytes: body.length,
      refusals: [],
    });
  };
}
