import type { Sender } from '../generate.ts';

/** One sender for several producers: their batches are sent one after the other. The last `close` closes it. */
export function shareSender(sender: Sender, users: number): Sender {
  let last: Promise<unknown> = Promise.resolve();
  let left = users;
  return {
    send(batch) {
      const outcome = last.then(() => sender.send(batch));
      last = outcome;
      return outcome;
    },
    async close() {
      left--;
      if (left === 0) await sender.close();
    },
    destroy: () => sender.destroy(),
  };
}
