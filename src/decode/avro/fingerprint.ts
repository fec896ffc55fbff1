/*
 * Single-object encoding, as programs write that have one datum a message:
 *
 *   C3 01 | fingerprint of the schema, 8 bytes, little endian | datum
 *
 * The fingerprint is CRC-64-AVRO of the schema's parsing canonical form: without what does not matter for reading, in one order.
 * Source: https://avro.apache.org/docs/1.12.0/specification/#single-object-encoding-specification, #schema-fingerprints
 */

import type { AvroType } from './schema.ts';

/** Bytes before the datum. */
export const SINGLE_OBJECT_BYTES = 10;

/** The fingerprint that stands before a datum in this encoding; undefined where the body does not begin as it does. */
export function readFingerprint(body: Buffer): bigint | undefined {
  if (body.length < SINGLE_OBJECT_BYTES || body[0] !== 0xc3 || body[1] !== 0x01) return undefined;
  return body.readBigUInt64LE(2);
}

const EMPTY = 0xc15d213aa4d7a795n;

const TABLE: readonly bigint[] = Array.from({ length: 256 }, (_, byte) => {
  let value = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) value = (value >> 1n) ^ (EMPTY & -(value & 1n));
  return BigInt.asUintN(64, value);
});

export function fingerprintOf(type: AvroType): bigint {
  let value = EMPTY;
  for (const byte of Buffer.from(canonicalForm(type, new Set()))) {
    value = (value >> 8n) ^ (TABLE[Number((value ^ BigInt(byte)) & 0xffn)] as bigint);
  }
  return value;
}

/** `defined`: the named types before this place; they stand there by their names. */
function canonicalForm(type: AvroType, defined: Set<string>): string {
  if (type.kind === 'union') return `[${type.branches.map((branch) => canonicalForm(branch, defined)).join(',')}]`;
  if (type.kind === 'array') return `{"type":"array","items":${canonicalForm(type.items, defined)}}`;
  if (type.kind === 'map') return `{"type":"map","values":${canonicalForm(type.values, defined)}}`;
  if (!('name' in type)) return `"${type.kind}"`;
  if (defined.has(type.name)) return `"${type.name}"`;
  defined.add(type.name);
  const head = `{"name":"${type.name}","type":"${type.kind}"`;
  if (type.kind === 'enum') return `${head},"symbols":${JSON.stringify(type.symbols)}}`;
  if (type.kind === 'fixed') return `${head},"size":${type.size}}`;
  const fields = type.fields.map(({ name, type: of }) => `{"name":"${name}","type":${canonicalForm(of, defined)}}`);
  return `${head},"fields":[${fields.join(',')}]}`;
}
