import { type Deliver, UnavailableError } from '../model/deliver.ts';

/**
 * Rejects when a delivery takes too long. The delivery goes on and may still succeed: the batch must carry its id
 * (withBatchId), so that it can be sent again and is stored once.
 */
export function withDeadline(deliver: Deliver, deadlineMs: number): Deliver {
  return async function deliverInTime(batch, note) {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new UnavailableError(`the broker did not answer within ${deadlineMs} ms`, 1));
    }, deadlineMs);
    const delivery = deliver(batch, note);
    try {
      return await Promise.race([delivery, late.promise]);
    } finally {
      clearTimeout(timer);
      // When it was late nobody waits for it any more: its failure must not count as unhandled.
      delivery.catch(() => undefined);
    }
  };
}
