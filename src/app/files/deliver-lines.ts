import type { DeliverSlice, Slice } from '../../inputs/files/files.ts';
import { type Clock, systemClock } from '../../model/clock.ts';
import { ACCESS_STREAM } from '../../model/stream.ts';
import type { StoreSender } from '../../outputs/outputs.ts';
import { type DeliveryReport, type PutAside, putAside } from './slice-outcome.ts';

export interface LineDeliveryOptions extends PutAside {
  readonly sender: Pick<StoreSender, 'send'>;
  readonly host: string;
  /** The name of its file in the store. */
  readonly fileOf: (slice: Slice) => string;
  readonly report: DeliveryReport;
  readonly clock?: Clock | undefined;
}

/**
 * Delivers the lines of slices, as they stand in their file, to a store of lines; the id of the file is their generation. What the slices
 * were converted to is not sent. A line that the store refuses for its own sake is put aside, and its number is missing in the store.
 */
export function createLineDelivery(options: LineDeliveryOptions): DeliverSlice {
  const { sender, host, fileOf, report, clock = systemClock } = options;
  return async function deliverLines(slice) {
    const { id: generation, number, bytes } = slice;
    const sent = await sender.send({ host, file: fileOf(slice), generation, number: number - 1, bytes });
    const refused = sent.refused.map((line) => {
      return { first: line.number + 1, last: line.number + 1, reason: line.reason, bytes: line.bytes };
    });
    await putAside(options, { slice, stream: ACCESS_STREAM.name, unreadable: [], refused, clock });
    report.delivered(slice, {
      batches: 1,
      stored: sent.stored,
      duplicates: 0,
      isKnown: false,
      refused: refused.length,
      unreadable: 0,
      bytes: bytes.length,
      refusals: refused.slice(0, 100),
    });
  };
}
