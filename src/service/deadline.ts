import { type Deliver, UnavailableError } from '../model/deliver.ts';

/**
 * Gives up on a delivery that takes too long. It goes on nevertheless, and may succeed: the batch must carry its id
 * (withBatchId), so that it can be sent again without being stored again.
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
      // Nobody waits for it any more when it was late: its end, whatever it is, is not an accident.
      delivery.catch(() => undefined);
    }
  };
}
