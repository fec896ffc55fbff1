/*
 * Object container files:
 *
 *   file    "Obj" 1 | metadata | sync marker, 16 bytes | block*
 *   block   count long | length long | data of that length, packed by the codec | the same sync marker
 *
 * The metadata is a map of bytes: `avro.schema` is the schema of the writer, `avro.codec` the codec; without it data are not packed.
 * Source: https://avro.apache.org/docs/1.12.0/specification/#object-container-files
 */

import { MalformedBodyError } from '../decode.ts';
import { BytesReader } from './bytes-reader.ts';
import { CODECS, type Codec } from './codecs.ts';
import { AvroFault } from './fault.ts';

const MAGIC = Buffer.from('Obj\x01');
const SYNC_BYTES = 16;
const MAX_CODEC_BYTES = 64;

export interface Container {
  /** The text of the writer's schema. */
  readonly schema: string;
  readonly codec: Codec;
  readonly sync: Buffer;
  /** Where the first block begins. */
  readonly start: number;
}

export interface Block {
  /** Its place in the body. */
  readonly at: number;
  /** Records in it. */
  readonly count: number;
  /** Where its packed data begin and end. */
  readonly start: number;
  readonly end: number;
  /** Where the next block begins. */
  readonly next: number;
}

export function isContainer(body: Buffer): boolean {
  return body.subarray(0, MAGIC.length).equals(MAGIC);
}

/** Reads what stands before the blocks. Throws AvroFault and MalformedBodyError. */
export function readContainer(body: Buffer): Container {
  const reader = new BytesReader(body, MAGIC.length, body.length);
  let schema: string | undefined;
  let codecName = 'null';
  for (let left = readCount(reader); left > 0; left = readCount(reader)) {
    for (; left > 0; left--) {
      const key = readBytes(reader, 'a key of the metadata').toString();
      const value = readBytes(reader, 'a value of the metadata');
      if (key === 'avro.schema') schema = value.toString();
      if (key === 'avro.codec') codecName = value.toString('utf8', 0, MAX_CODEC_BYTES);
    }
  }
  const start = reader.take('a sync marker', SYNC_BYTES);
  if (schema === undefined) throw new MalformedBodyError('not an Avro file: its metadata have no avro.schema');
  const codec = CODECS.get(codecName);
  if (codec === undefined) {
    const known = [...CODECS.keys()].join(', ');
    throw new MalformedBodyError(`the Avro file has the codec ${JSON.stringify(codecName)}; supported: ${known}`);
  }
  return { schema, codec, sync: body.subarray(start, start + SYNC_BYTES), start: start + SYNC_BYTES };
}

/** The block at `at`, its sync marker checked; its data are not unpacked. Throws AvroFault. */
export function readBlock(body: Buffer, at: number, { sync }: Container): Block {
  const reader = new BytesReader(body, at, body.length);
  const count = reader.long();
  if (typeof count !== 'number' || count < 0) throw new AvroFault(at, 'the count of a block, 0 or more', String(count));
  const length = reader.length('a block');
  const start = reader.take('a block', length);
  const end = start + length;
  const marker = reader.take('a sync marker', SYNC_BYTES);
  const found = body.subarray(marker, marker + SYNC_BYTES);
  if (!found.equals(sync)) {
    throw new AvroFault(marker, `the sync marker 0x${sync.toString('hex')}`, `0x${found.toString('hex')}`);
  }
  return { at, count, start, end, next: marker + SYNC_BYTES };
}

/** Members in the next block of the metadata; 0 at their end. */
function readCount(reader: BytesReader): number {
  const start = reader.at;
  let count = reader.long();
  if (count < 0) {
    count = -count;
    reader.length('a block of metadata');
  }
  const most = Math.floor((reader.end - reader.at) / 2);
  if (typeof count === 'number' && count <= most) return count;
  throw new AvroFault(start, `a count of at most ${most} members of metadata`, String(count));
}

function readBytes(reader: BytesReader, what: string): Buffer {
  const length = reader.length(what);
  const start = reader.take(what, length);
  return reader.bytes.subarray(start, start + length);
}

/** A file of one record, so that its schema stays with it. */
export function writeContainer(schema: string, datum: Buffer): Buffer {
  const key = Buffer.from('avro.schema');
  const text = Buffer.from(schema);
  const sync = Buffer.alloc(SYNC_BYTES);
  const metadata = [writeLong(1), writeLong(key.length), key, writeLong(text.length), text, writeLong(0)];
  return Buffer.concat([MAGIC, ...metadata, sync, writeLong(1), writeLong(datum.length), datum, sync]);
}

/** A length as Avro writes it. */
function writeLong(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value * 2;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}
