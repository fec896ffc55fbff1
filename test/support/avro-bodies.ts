import { crc32, deflateRawSync, zstdCompressSync } from 'node:zlib';
import { snappyCompress } from '@platformatic/wasm-utils';

/** The schema of a LogEntry, and one record of it. */
export const LOG_ENTRY = {
  type: 'record',
  name: 'LogEntry',
  fields: ['timestamp', 'level', 'message', 'service'].map((name) => ({ name, type: 'string' })),
};
export const EVENT = { timestamp: '2025-07-02T17:00:01Z', level: 'INFO', message: 'hi', service: 'api' };

export const SYNC = Buffer.from('0123456789abcdef');

/** How a block is packed, by the name of the codec. */
export const PACKERS: Readonly<Record<string, (data: Buffer) => Buffer>> = {
  null: (data) => data,
  deflate: (data) => deflateRawSync(data),
  zstandard: (data) => zstdCompressSync(data),
  snappy: (data) => {
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32(data));
    return Buffer.concat([snappyCompress(data), checksum]);
  },
};

/** A whole number as Avro writes it. */
export function long(value: number | bigint): Buffer {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  const bytes: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

export function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([long(bytes.length), bytes]);
}

export function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

/** A datum of text fields. */
export function datum(record: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(Object.values(record).map(text));
}

export interface BlockOptions {
  readonly data: Buffer;
  readonly count: number;
  /** Instead of the marker of the file. */
  readonly sync?: Buffer;
}

export function block({ data, count, sync = SYNC }: BlockOptions): Buffer {
  return Buffer.concat([long(count), long(data.length), data, sync]);
}

export function header(schema: object | string, codec: string | undefined = undefined): Buffer {
  const members = [['avro.schema', typeof schema === 'string' ? schema : JSON.stringify(schema)]];
  if (codec !== undefined) members.push(['avro.codec', codec]);
  const metadata = members.flatMap(([key = '', value = '']) => [text(key), text(value)]);
  return Buffer.concat([Buffer.from('Obj\x01'), long(members.length), ...metadata, long(0), SYNC]);
}

/** An object container file of these blocks of data. */
export function container(
  schema: object,
  blocks: readonly (readonly Buffer[])[],
  codec: keyof typeof PACKERS = 'null',
): Buffer {
  const pack = PACKERS[codec] as (data: Buffer) => Buffer;
  const packed = blocks.map((data) => block({ data: pack(Buffer.concat(data)), count: data.length }));
  return Buffer.concat([header(schema, codec), ...packed]);
}
