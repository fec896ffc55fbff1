import { crc32 } from 'node:zlib';
import type { Slice } from '../../inputs/files/files.ts';
import type { BodyPart } from './body-parts.ts';

/** The Idempotency-Key of a slice: visible ASCII characters, at most 200. */
export type KeyOf = (slice: Slice) => string;

/** With a checkpoint, whose random id stands for the file and the stream. */
export const keyByRange: KeyOf = ({ id, from, to }) => `${id}:${from}-${to}`;

/**
 * Without one: a file of the same path that begins alike may be another one, so the content belongs to the key. Where two have the same checksum
 * the service sees that the bodies differ, and says so. FAST PATH: SHA-256 would take a tenth of the time of a replay.
 */
export const keyByContent: KeyOf = (slice) => `${keyByRange(slice)}:${crc32(slice.converted.body).toString(36)}`;

/** Of a part of a slice: made of the whole one's, so that every run cuts to the same keys. */
export function keyOfPart(key: string, { first, end }: BodyPart, records: number): string {
  return first === 0 && end === records ? key : `${key}/${first}-${end}`;
}
