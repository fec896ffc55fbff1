import { randomUUID } from 'node:crypto';
import type { StreamName } from '../../model/stream.ts';
import { GaveUpError, type ServiceSender } from '../../outputs/outputs.ts';
import type { Sender } from '../generate.ts';
import { describeError, Tally } from './outcome.ts';

export interface HttpSenderOptions {
  /** Sends a batch again under the same key where that may help. */
  readonly sender: ServiceSender;
  readonly stream: StreamName;
  readonly contentType: string;
}

/** Sends a batch as the body of one request. Where no answer said what became of it, its records are unsure. */
export function createHttpSender({ sender, stream, contentType }: HttpSenderOptions): Sender {
  return {
    async send({ bytes, records }) {
      const tally = new Tally();
      try {
        const parcel = { stream, key: randomUUID(), body: bytes, contentType };
        const { accepted, rejected, rejections } = await sender.send(parcel);
        tally.sent(accepted, accepted === 0 ? 0 : bytes.length);
        if (rejected > 0)
          tally.failed(rejected, `the service refused a record: ${rejections[0]?.reason ?? 'no reason given'}`);
      } catch (error) {
        const isUnsure = error instanceof GaveUpError && error.mayBeStored;
        tally[isUnsure ? 'unsure' : 'failed'](records, describeError(error));
      }
      return tally.outcome();
    },
    close: async () => sender.close(),
    destroy: () => sender.close(),
  };
}
