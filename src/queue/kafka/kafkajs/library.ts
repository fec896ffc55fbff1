import { createRequire } from 'node:module';
import { isDeepStrictEqual } from 'node:util';
import { crc32c as wasmCrc32c } from '@platformatic/wasm-utils';
import type * as KafkaJs from 'kafkajs';

/*
 * The one place that loads kafkajs, because its hot spots are replaced when it is loaded. It is no longer maintained, so
 * 2.2.4 is its last version. A file that is not as expected is not replaced.
 *
 * Its checksum of record batches is a loop in JavaScript: a native one takes a twentieth of the time. Its encoder clears
 * each buffer before it overwrites it, and grows several for every send. It groups messages by partition in a time that
 * grows with the square of their number: over a minute, without a pause, for 100,000.
 */

const require = createRequire(import.meta.url);
const CHECKSUM = 'kafkajs/src/protocol/recordBatch/crc32C/crc32C.js';
const GROUPING = 'kafkajs/src/producer/groupMessagesPerPartition.js';
const ENCODER = 'kafkajs/src/protocol/encoder.js';

type Checksum = (bytes: Buffer) => number;

interface Sending {
  readonly topic: string;
  readonly partitionMetadata: readonly unknown[];
  readonly messages: readonly Message[];
  partitioner(about: Omit<Sending, 'messages' | 'partitioner'> & { readonly message: Message }): number;
}

type Message = KafkaJs.Message;
type Grouping = (sending: Sending) => Record<number, Message[]>;

interface Encoder {
  buf: Buffer;
  offset: number;
}

/** The processor's instruction if the native module is installed, else WebAssembly. */
function fastestChecksum(): Checksum {
  try {
    const native = require('@node-rs/crc32') as { readonly crc32c: Checksum };
    return native.crc32c;
  } catch {
    return wasmCrc32c;
  }
}

/** Replaces the module before anything has loaded it, if both give the same result. */
function replaceChecksum(): void {
  const original = require(CHECKSUM) as Checksum;
  const ours = fastestChecksum();
  const probe = Buffer.from('123456789');
  if (original(probe) >>> 0 === ours(probe) >>> 0) replaceModule(CHECKSUM, ours);
}

function replaceModule(name: string, exports: unknown): void {
  const entry = require.cache[require.resolve(name)];
  if (entry !== undefined) entry.exports = exports;
}

function groupByPartition({ topic, partitionMetadata, messages, partitioner }: Sending): Record<number, Message[]> {
  if (partitionMetadata.length === 0) return {};
  const groups: Record<number, Message[]> = {};
  for (const message of messages) {
    const partition = partitioner({ topic, partitionMetadata, message });
    groups[partition] ??= [];
    groups[partition].push(message);
  }
  return groups;
}

function replaceGrouping(): void {
  const original = require(GROUPING) as Grouping;
  const messages = [0, 1, 0].map((partition) => ({ partition, value: null }));
  const probe: Sending = {
    topic: '',
    partitionMetadata: [{}],
    messages,
    partitioner: ({ message }) => message.partition ?? 0,
  };
  if (isDeepStrictEqual(original(probe), groupByPartition(probe))) replaceModule(GROUPING, groupByPartition);
}

function replaceGrowth(): void {
  const Encoder = require(ENCODER) as { readonly prototype: { ensureAvailable?: (length: number) => void } };
  if (typeof Encoder.prototype.ensureAvailable !== 'function') return;
  Encoder.prototype.ensureAvailable = function ensureAvailable(this: Encoder, length: number): void {
    const needed = this.offset + length;
    if (needed <= this.buf.length) return;
    const grown = Buffer.allocUnsafe(2 ** Math.ceil(Math.log2(needed + 1)));
    this.buf.copy(grown, 0, 0, this.offset);
    this.buf = grown;
  };
}

replaceChecksum();
replaceGrouping();
replaceGrowth();

export const { Kafka, CompressionCodecs, CompressionTypes, ConfigResourceTypes, logLevel } =
  require('kafkajs') as typeof KafkaJs;
