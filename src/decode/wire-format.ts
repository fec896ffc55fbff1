/*
 * The wire format of Confluent's serializers for Avro and Protocol Buffers:
 *
 *   magic byte 0 | schema id u32 | payload          big endian
 *
 * Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
 */

const MAGIC = 0;

/** Bytes before the payload. */
export const PREFIX_BYTES = 5;

/**
 * The schema id that stands before the payload of a message at [start, end); undefined where the message does not begin as the wire format
 * does. A message without the prefix may begin with the same bytes, so the caller also looks the id up.
 */
export function readSchemaId(bytes: Buffer, start: number, end: number): number | undefined {
  if (end - start < PREFIX_BYTES || bytes[start] !== MAGIC) return undefined;
  return bytes.readUInt32BE(start + 1);
}
