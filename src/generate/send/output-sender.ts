import type { Writable } from 'node:stream';
import type { SendContext, Sender } from '../generate.ts';
import { describeError, Tally } from './outcome.ts';

/** Writes to standard output. */
export function createOutputSender({ output, head }: SendContext & { readonly output: Writable }): Sender {
  let hasBegun = false;

  function write(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      output.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  return {
    async send({ bytes, records }) {
      const tally = new Tally();
      try {
        if (!hasBegun && head.length > 0) await write(head);
        hasBegun = true;
        await write(bytes);
        tally.sent(records, bytes.length);
      } catch (error) {
        tally.unsure(records, `cannot write to standard output: ${describeError(error)}`);
      }
      return tally.outcome();
    },
    close: async () => undefined,
    destroy() {},
  };
}
