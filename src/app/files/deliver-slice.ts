import type { DeliverSlice, Slice } from '../../inputs/files/files.ts';
import { type Clock, systemClock } from '../../model/clock.ts';
import type { StreamName } from '../../model/stream.ts';
import { RefusedError, type Sent, type ServiceSender } from '../../outputs/outputs.ts';
import { type BodyPart, cutByHours, halve, recordsOf } from './body-parts.ts';
import { type KeyOf, keyOfPart } from './slice-keys.ts';
import {
  type DeliveryReport,
  type PutAside,
  placeOf,
  putAside,
  type Refusal,
  type RefusedRecord,
} from './slice-outcome.ts';

export interface SliceDeliveryOptions extends PutAside {
  readonly sender: Pick<ServiceSender, 'send'>;
  readonly stream: StreamName;
  readonly keyOf: KeyOf;
  /**
   * What it means that the service knows a key with another body. `duplicate`: the key stands for a range of a file, which an earlier run
   * delivered as another version or other options convert it; it is not stored again. `refuse`: it is an error.
   */
  readonly conflict: 'duplicate' | 'refuse';
  /** ingestion.maxHoursPerBatch of the service, where it is known. */
  readonly maxHours?: number | undefined;
  readonly report: DeliveryReport;
  readonly clock?: Clock | undefined;
}

/** The default of ingestion.maxHoursPerBatch. */
const MAX_HOURS = 1_000;
/** Refusals of a slice that are reported one by one. */
const MAX_LISTED = 100;

/**
 * Delivers slices to a service. A batch that is too large, or of too many hours, is halved until it is taken; a record that is too large
 * alone is put aside and the rest goes on. A batch that is refused for its own sake in another way goes to `deadLetters`, record by record;
 * without them the slice rejects with the RefusedError, as it does for what concerns every batch: a wrong key, a wrong address.
 *
 * What a slice that rejects has stored is stored under its keys: the same slice may be delivered again. Lines that were put aside may then
 * stand there twice.
 */
export function createSliceDelivery(options: SliceDeliveryOptions): DeliverSlice {
  const { stream, keyOf, maxHours = MAX_HOURS, report, clock = systemClock } = options;
  return async function deliverSlice(slice) {
    const { converted } = slice;
    const { body, records, unreadable } = converted;
    const tally = createTally(slice);
    if (records > 0) {
      const key = keyOf(slice);
      for (const part of cutByHours(body, records, maxHours)) await sendPart(options, { slice, key, tally }, part);
    }
    await putAside(options, { slice, stream, unreadable, refused: tally.toPutAside, clock });
    report.delivered(slice, tally.outcome());
    // No connection has the body any more. An answer may come before the request was read to its end, of one that is too large, say;
    // service-post.ts destroys such a request before it gives the answer, and the release relies on that.
    converted.release?.();
  };
}

interface Sending {
  readonly slice: Slice;
  /** Of the whole slice. */
  readonly key: string;
  readonly tally: Tally;
}

async function sendPart(options: SliceDeliveryOptions, sending: Sending, part: BodyPart): Promise<void> {
  const { sender, stream, conflict, deadLetters, report } = options;
  const { slice, tally } = sending;
  const { body: whole, records } = slice.converted;
  const key = keyOfPart(sending.key, part, records);
  const body = whole.subarray(part.from, part.to);
  try {
    tally.sent(part, await sender.send({ stream, key, body, contentType: 'application/x-ndjson' }));
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    if (isConflict(error) && conflict === 'duplicate') {
      tally.duplicate(part);
      report.notify(
        `${slice.name}: bytes ${slice.from} to ${slice.to} were delivered before, converted in another way; they are not stored again`,
      );
    } else if (error.mayPassInParts && part.end - part.first > 1) {
      for (const half of halve(whole, part)) await sendPart(options, sending, half);
    } else if (error.mayPassInParts || (deadLetters !== undefined && isOwnFault(error))) {
      tally.refused(part, error);
    } else throw error;
  }
}

function isConflict({ type }: RefusedError): boolean {
  return type === 'idempotency-conflict';
}

/**
 * Problems that only this batch has, by their type. All else concerns every batch: a wrong key, a wrong address, something else that listens
 * there and answers 400 to whatever comes.
 */
const OF_BATCH: ReadonlySet<string> = new Set([
  'malformed-body',
  'invalid-records',
  'unprocessable-batch',
  'too-many-hours',
  'body-too-large',
]);

function isOwnFault({ type }: RefusedError): boolean {
  return OF_BATCH.has(type);
}

type Tally = ReturnType<typeof createTally>;

/** Counts what becomes of the records of a slice. */
function createTally(slice: Slice) {
  const { body, unreadable } = slice.converted;
  const counts = { batches: 0, stored: 0, duplicates: 0, refused: 0, bytes: 0 };
  const refusals: Refusal[] = [];
  /** Of which the service keeps no dead letter. */
  const toPutAside: RefusedRecord[] = [];

  function list(index: number, reason: string): void {
    if (refusals.length < MAX_LISTED) refusals.push({ ...placeOf(slice, index), reason });
  }

  function refuse(part: BodyPart, reasonOf: (index: number) => string): void {
    let index = part.first;
    for (const bytes of recordsOf(body, part)) {
      const reason = reasonOf(index);
      list(index, reason);
      toPutAside.push({ ...placeOf(slice, index), reason, bytes });
      index++;
    }
  }

  return {
    toPutAside,
    sent(part: BodyPart, { accepted, duplicate, rejected, rejections }: Sent): void {
      counts.batches++;
      counts.bytes += part.to - part.from;
      counts[duplicate ? 'duplicates' : 'stored'] += accepted;
      counts.refused += rejected;
      const reasons = new Map(rejections.map(({ index, reason }) => [part.first + index, withoutPlace(reason)]));
      // A batch without any valid record leaves nothing at the service, no dead letter either.
      if (accepted === 0 && rejected > 0) refuse(part, (index) => reasons.get(index) ?? 'refused like those before it');
      else for (const [index, reason] of reasons) list(index, reason);
    },
    duplicate({ first, end }: BodyPart): void {
      counts.duplicates += end - first;
    },
    refused(part: BodyPart, { detail, message }: RefusedError): void {
      counts.refused += part.end - part.first;
      refuse(part, () => detail || message);
    },
    outcome() {
      const { stored, duplicates, refused } = counts;
      const isKnown = duplicates > 0 && stored + refused === 0;
      return { ...counts, isKnown, unreadable: unreadable.length, refusals };
    },
  };
}

/** `record 3 missing path` → `missing path`: the place in the batch means nothing to the reader of the file. */
function withoutPlace(reason: string): string {
  return reason.replace(/^record \d+ /, '');
}
