import {
  type BodyFormat,
  type Decoded,
  type DecodeOptions,
  type Decoder,
  MalformedBodyError,
} from '../decode/decode.ts';
import type { Batch } from '../model/chunk.ts';
import { type DeadLetter, PermanentError } from '../model/deliver.ts';
import type { QueueItem } from '../queue/queue.ts';
import { rawText } from './dead-letter.ts';

export interface ForeignOptions {
  readonly decoders: Readonly<Pick<Record<BodyFormat, Decoder>, 'json' | 'ndjson'>>;
  readonly decode: Omit<DecodeOptions, 'invalid'>;
}

/** What a message of another producer holds: records, and dead letters for what cannot be read. */
export interface ForeignRecords {
  readonly batch: Batch;
  readonly accepted: number;
  readonly deadLetters: readonly DeadLetter[];
}

const OPEN_BRACKET = Buffer.from('[');
const CLOSE_BRACKET = Buffer.from(']');

/**
 * Reads messages that other producers put into the topic: one JSON record, an array of records, or NDJSON. What cannot be
 * read becomes a dead letter that names the topic, the partition and the offset. Never rejects.
 */
export function createForeignReader({ decoders, decode }: ForeignOptions) {
  return async function readForeign(
    item: QueueItem & { readonly kind: 'foreign' },
    about: { readonly source: string; readonly time: number },
  ): Promise<ForeignRecords> {
    const dead = (reason: string, raw: string): DeadLetter => ({ ...about, stage: 'consume', reason, raw });
    const { value, problem } = item;
    if (problem !== undefined) return refused(dead(problem, value === null ? '' : rawText(value)));
    if (value === null || value.length === 0) return refused(dead('message is empty', ''));
    try {
      const { batch, accepted, rejections } = await decodeValue(value, item.contentType);
      return { batch, accepted, deadLetters: rejections.map(({ reason, raw }) => dead(reason, raw)) };
    } catch (error) {
      if (!(error instanceof MalformedBodyError || error instanceof PermanentError)) throw error;
      return refused(dead(error.message, rawText(value)));
    }
  };

  async function decodeValue(value: Buffer, contentType: string): Promise<Decoded> {
    if (contentType === 'application/x-ndjson') return drive(decoders.ndjson, Buffer.from(value));
    if (/^\s*\[/.test(value.toString('latin1', 0, 64))) return drive(decoders.json, Buffer.from(value));
    try {
      return await drive(decoders.json, Buffer.concat([OPEN_BRACKET, value, CLOSE_BRACKET]));
    } catch (error) {
      // Perhaps NDJSON without its content type.
      if (!(error instanceof MalformedBodyError) || !value.includes('\n')) throw error;
      const lines = await drive(decoders.ndjson, Buffer.from(value));
      if (lines.accepted === 0) throw error;
      return lines;
    }
  }

  /** The decoder owns its input and may write on it, so it gets a copy. */
  async function drive(decoder: Decoder, body: Buffer): Promise<Decoded> {
    const decoding = decoder(body, { ...decode, invalid: 'skip' });
    for (let step = decoding.next(); ; step = decoding.next()) {
      if (step.done === true) return step.value;
      await new Promise(setImmediate);
    }
  }
}

function refused(letter: DeadLetter): ForeignRecords {
  return { batch: [], accepted: 0, deadLetters: [letter] };
}
