import { randomUUID } from 'node:crypto';
import type { Sender } from '../generate.ts';
import { describeError, Tally } from './outcome.ts';

/**
 * Posts a body under this Idempotency-Key, again and again under the same where that may help. Resolves with the records that the service
 * accepted and refused; rejects where it refused the body or could not be reached.
 */
export type Post = (
  body: Buffer,
  idempotencyKey: string,
) => Promise<{
  readonly accepted: number;
  readonly rejected: number;
  readonly rejections: readonly { readonly reason: string }[];
}>;

/** Sends a batch as the body of one request. */
export function createHttpSender({ post, close }: { readonly post: Post; readonly close: () => void }): Sender {
  return {
    async send({ bytes, records }) {
      const tally = new Tally();
      try {
        const { accepted, rejected, rejections } = await post(bytes, randomUUID());
        tally.sent(accepted, accepted === 0 ? 0 : bytes.length);
        if (rejected > 0)
          tally.failed(rejected, `the service refused a record: ${rejections[0]?.reason ?? 'no reason given'}`);
      } catch (error) {
        tally.failed(records, describeError(error));
      }
      return tally.outcome();
    },
    close: async () => close(),
    destroy: close,
  };
}
