import {
  type BodyFormat,
  type Decoded,
  type DecodeOptions,
  type Decoder,
  MalformedBodyError,
} from '../decode/decode.ts';
import { rawText } from '../lines/dead-letter.ts';
import type { Log } from '../log.ts';
import type { Batch } from '../model/chunk.ts';
import { type DeadLetter, PermanentError } from '../model/deliver.ts';
import { isDefaultStream, type StreamName } from '../model/stream.ts';
import type { QueueItem } from '../queue/queue.ts';

export interface ForeignOptions {
  /** The stream whose records the topic holds. */
  readonly stream: StreamName;
  readonly decoders: Readonly<Pick<Record<BodyFormat, Decoder>, 'json' | 'ndjson'>>;
  readonly decode: Omit<DecodeOptions, 'invalid'>;
  readonly log: Pick<Log, 'error'>;
}

/** What a message of another producer holds: records, and dead letters for what cannot be read. */
export interface ForeignRecords {
  readonly batch: Batch;
  readonly accepted: number;
  readonly deadLetters: readonly DeadLetter[];
}

export type ForeignReader = ReturnType<typeof createForeignReader>;

const OPEN_BRACKET = Buffer.from('[');
const CLOSE_BRACKET = Buffer.from(']');

/**
 * Reads messages that other producers put into the topic: one JSON record, an array of records, or NDJSON. What cannot be
 * read becomes a dead letter that names the topic, the partition and the offset. Never rejects.
 */
export function createForeignReader({ stream, decoders, decode, log }: ForeignOptions) {
  const ofStream = isDefaultStream(stream) ? {} : { stream };
  return async function readForeign(
    item: Pick<QueueItem & { readonly kind: 'foreign' }, 'value' | 'contentType' | 'problem'>,
    about: { readonly source: string; readonly time: number },
  ): Promise<ForeignRecords> {
    const dead = (reason: string, raw: string): DeadLetter => ({
      ...about,
      ...ofStream,
      stage: 'consume',
      reason,
      raw,
    });
    const { value, problem } = item;
    if (problem !== undefined) return refused(dead(problem, value === null ? '' : rawText(value)));
    if (value === null || value.length === 0) return refused(dead('message is empty', ''));
    try {
      const { batch, accepted, rejections } = await decodeValue(value, item.contentType);
      return { batch, accepted, deadLetters: rejections.map(({ reason, raw }) => dead(reason, raw)) };
    } catch (error) {
      if (error instanceof MalformedBodyError || error instanceof PermanentError)
        return refused(dead(error.message, rawText(value)));
      // A defect of a decoder must not hold the partition: the message is kept, and can be replayed when it is mended.
      log.error('cannot decode a message; it goes to the dead letters', { source: about.source, err: error });
      return refused(dead(`cannot decode the message: ${messageOf(error)}`, rawText(value)));
    }
  };

  async function decodeValue(value: Buffer, contentType: string): Promise<Decoded> {
    if (contentType === 'application/x-ndjson') return drive(decoders.ndjson, Buffer.from(value));
    if (/^\s*\[/.test(value.toString('latin1', 0, 64))) return drive(decoders.json, Buffer.from(value));
    try {
      const decoded = await drive(decoders.json, Buffer.concat([OPEN_BRACKET, value, CLOSE_BRACKET]));
      if (decoded.accepted + decoded.rejected === 1) return decoded;
      throw new MalformedBodyError('message holds several JSON values; send an array, or one a line');
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
