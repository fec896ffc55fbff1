import { createHash } from 'node:crypto';
import type { Slice } from '../../inputs/files/files.ts';
import { isDefaultStream, type StreamName } from '../../model/stream.ts';
import type { BodyPart } from './body-parts.ts';

/** The Idempotency-Key of a slice: visible ASCII characters, at most 200. */
export type KeyOf = (slice: Slice) => string;

/** With a checkpoint, whose random id stands for the file and the stream. */
export const keyByRange: KeyOf = ({ id, from, to }) => `${id}:${from}-${to}`;

/** Without one: nobody knows whether it is the same file, so the content belongs to the key. */
export function createContentKey(stream: StreamName): KeyOf {
  const prefix = isDefaultStream(stream) ? '' : `${stream}\n`;
  return function keyByContent({ id, from, to, converted: { body } }) {
    const hash = createHash('sha256').update(`${prefix}${id}\n`).update(body).digest('base64url');
    return `${hash}:${from}-${to}`;
  };
}

/** Of a part of a slice: made of the whole one's, so that every run cuts to the same keys. */
export function keyOfPart(key: string, { first, end }: BodyPart, records: number): string {
  return first === 0 && end === records ? key : `${key}/${first}-${end}`;
}
