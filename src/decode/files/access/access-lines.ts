import { BodyPool } from '../../../lines/body-pool.ts';
import { LineWriter, SpareMemory } from '../../../lines/writer.ts';
import type { AccessFields, AccessLines } from '../line-format.ts';

/**
 * Bytes of stored lines for each byte of what is read, at most. One byte becomes six where it is escaped (`\u0000`), and the shortest lines
 * of a log, of 20 bytes, six times as many by the names of the fields.
 */
const GROWTH = 16;
/** A smaller block may come with as much again that a reader has kept of the block before. */
const MIN_BLOCK = 256 * 1024;
/** No more memory is made before it is needed. */
const MAX_EXPECTED = 4 * 1024 * 1024;

/** Of all blocks of the thread: they are read one after the other, and `take` copies what they have made. */
const SPARE = new SpareMemory();
const BODIES = new BodyPool();

/** Each field with its value as JSON, in stored order; absent ones are left out. */
export function storedFields(fields: AccessFields): Map<string, string> {
  const stored = new Map([
    ['timestamp', JSON.stringify(fields.timestamp)],
    ['path', JSON.stringify(orDash(fields.path))],
    ['userAgent', JSON.stringify(orDash(fields.userAgent))],
  ]);
  for (const [field, name] of EXTRAS) {
    const value = fields[field];
    if (isStored(value)) stored.set(name, JSON.stringify(value));
  }
  return stored;
}

/** Fields beyond the three, in stored order, and their stored names. */
export const EXTRAS = [
  ['client', 'client'],
  ['user', 'user'],
  ['host', 'host'],
  ['method', 'method'],
  ['protocol', 'protocol'],
  ['status', 'status'],
  ['bytes', 'bytes'],
  ['referrer', 'referrer'],
  ['duration', 'durationSeconds'],
  ['rest', 'rest'],
  ['malformed', 'malformed'],
] as const;

function isStored(value: string | number | true | undefined): boolean {
  return typeof value === 'number' ? Number.isFinite(value) : value !== undefined;
}

const quote: (text: string) => string = JSON.stringify;

function orDash(text: string): string {
  return text.trim() || '-';
}

/** Stored lines of the stream access, made from one block of a file after the other. */
export class StoredLines implements AccessLines {
  count = 0;
  readonly #writer: LineWriter;
  readonly #core: boolean;
  readonly #maxBytes: number;

  /** `fields`: as the reader has them. `blockBytes`: the most that is read between two calls of `take`. */
  constructor({ fields, blockBytes }: { readonly fields: 'all' | 'core'; readonly blockBytes: number }) {
    this.#core = fields === 'core';
    this.#maxBytes = Math.max(blockBytes, MIN_BLOCK) * GROWTH;
    this.#writer = new LineWriter(Math.min(blockBytes * 2, MAX_EXPECTED), undefined, SPARE);
  }

  /** `extras`: further fields with their values as JSON. */
  add(fields: AccessFields, extras: readonly (readonly [name: string, json: string])[] = []): void {
    const { timestamp, path, userAgent } = fields;
    let line = `{"timestamp":"${timestamp}","path":${quote(orDash(path))},"userAgent":${quote(orDash(userAgent))}`;
    if (!this.#core) {
      for (const [field, name] of EXTRAS) {
        const value = fields[field];
        if (isStored(value)) line += `,"${name}":${typeof value === 'string' ? quote(value) : value}`;
      }
      for (const [name, json] of extras) line += `,${JSON.stringify(name)}:${json}`;
    }
    this.#writer.text(`${line}}\n`);
    this.added(this.#writer.used);
  }

  /** The buffer is the same until the next call. */
  reserve(bytes: number): { readonly buffer: Buffer; readonly used: number } {
    this.#writer.reserve(bytes);
    return this;
  }

  get buffer(): Buffer {
    return this.#writer.bytes;
  }

  get used(): number {
    return this.#writer.used;
  }

  added(used: number): void {
    if (used > this.#maxBytes)
      throw new RangeError(`cannot write lines: more than ${this.#maxBytes} bytes, ${GROWTH} times those of a block`);
    this.#writer.used = used;
    this.count++;
  }

  /** The lines since the last call, in memory of their own until it is released. */
  take(): { readonly body: Buffer; readonly records: number; readonly release: () => void } {
    const taken = { ...BODIES.copyOf(this.buffer.subarray(0, this.used)), records: this.count };
    this.count = 0;
    this.#writer.used = 0;
    return taken;
  }
}
