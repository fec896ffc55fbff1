import { MalformedBodyError } from '../decode/decode.ts';
import { type BlockForm, halveBlock, payloadOf } from '../lines/block-form.ts';
import { rawText } from '../lines/dead-letter.ts';
import { SpareMemory } from '../lines/writer.ts';
import { BYTES } from '../model/bytes.ts';
import { type DeadLetter, type Deliver, PermanentError, UnavailableError } from '../model/deliver.ts';
import type { StreamName } from '../model/stream.ts';
import type { Account } from './accounting.ts';
import { type Backoff, createBackoff } from './retry.ts';
import type { Block, Ingest, IngestRequest, Intake } from './service.ts';

export interface IntakeOptions {
  /** Its `deliver` must be tried by `untilAvailable`, so that only decoding rejects with UnavailableError. */
  readonly ingest: Ingest;
  readonly stream: StreamName;
  readonly format: IngestRequest['format'];
  readonly form: BlockForm;
  /** Names the input in dead letters: `input:name`. */
  readonly source: string;
  /** Stores what is not part of a batch. Tried by `untilAvailable`, too. */
  readonly deliver: Deliver;
  readonly account: Account;
  /** Whether nobody reads the lines any more once `ingest` has resolved. Then their memory is used again. */
  readonly reusesMemory: boolean;
  /** Told of the records that were taken, invalid ones included. */
  readonly onRecords: (count: number) => void;
  /** For a block that cannot be decoded yet, because its schema cannot be had. */
  readonly patience: Patience;
  /** Unix milliseconds. */
  readonly clock: () => number;
}

/**
 * The way of what an input has read. A block that cannot be read as a whole is cut in two, until the frame at fault stands alone and becomes
 * a dead letter; so one sender's frame costs no other record.
 */
export function createIntake(options: IntakeOptions): Intake {
  const { ingest, stream, format, form, source, reusesMemory, onRecords, patience } = options;
  /** Of blocks that are stored. That of a block which failed is not used again. */
  const spares: SpareMemory[] = [];

  async function take(bytes: Buffer, { after, arrival }: Pick<Block, 'after' | 'arrival'>): Promise<void> {
    const spare = spares.pop() ?? new SpareMemory();
    try {
      const request = { stream, format, body: bytes, invalid: 'dead-letter', source, after, arrival, spare } as const;
      const result = await untilAvailable(() => ingest(request), patience);
      if (reusesMemory) spares.push(spare);
      if (result.kind === 'accepted') onRecords(result.records);
    } catch (error) {
      if (!(error instanceof MalformedBodyError || error instanceof PermanentError)) throw error;
      const middle = halveBlock(form, bytes);
      if (middle === 0) {
        await after;
        return putAside(withoutNewline(payloadOf(form, bytes)), error.message);
      }
      await take(bytes.subarray(0, middle), { after, arrival });
      await take(bytes.subarray(middle), { after, arrival });
    }
  }

  async function putAside(bytes: Buffer, reason: string): Promise<void> {
    const { deliver, account, clock } = options;
    const letter: DeadLetter = { stream, time: clock(), stage: 'ingest', reason, raw: rawText(bytes), source };
    account.receive(1);
    await account.inFlight(1, async () => {
      await deliver([], { deadLetters: [letter] });
      account.settle('dead_lettered', 1);
      onRecords(1);
    });
  }

  return async function intake({ bytes, unread, ...block }) {
    if (bytes.length > 0) await take(bytes, block);
    else await block.after;
    for (const { beginning, reason } of unread) await putAside(beginning, reason);
  };
}

function withoutNewline(bytes: Buffer): Buffer {
  return bytes.at(-1) === BYTES.NEWLINE ? bytes.subarray(0, -1) : bytes;
}

/** How long work is tried. */
export interface Patience extends Backoff {
  /** Aborts when no time is left. */
  readonly signal: AbortSignal;
  readonly onRetry: (error: unknown) => void;
}

/**
 * Does the work again and again while what it needs is unavailable: nobody but the sender's buffers has the records, and the sender waits.
 * Rejects with the signal's reason when it aborts, and with what the work rejects with where that is not UnavailableError.
 */
export async function untilAvailable<T>(work: () => Promise<T>, { signal, onRetry, ...backoff }: Patience): Promise<T> {
  const pauses = createBackoff(backoff);
  for (;;) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      onRetry(error);
    }
    await pauses.pause(signal).catch(() => signal.throwIfAborted());
  }
}
