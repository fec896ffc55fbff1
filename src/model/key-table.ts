// Long: one data structure, a hash table over records in typed arrays, whose parts change together.
import { hash } from 'node:crypto';
import { formatAnswer, readAnswer } from './answer.ts';
import type { IdempotencyNote } from './deliver.ts';

/*
 * Idempotency keys in memory: 72 to 88 bytes each, and no JavaScript object. Records stand in the order of use, in blocks
 * that are dropped when all of their keys are forgotten. A hash index with linear probing finds a key.
 *
 *   record = key u32[4] | owner u32[2] | body u32[4] | time f64 | accepted u32 | rejected u32
 *            56 bytes, little-endian like every processor that the service runs on; the same in a key file
 *
 *     key, body    128 bits of SHA-256. Two texts have the same by accident once in 2^64 keys: never
 *     owner        64 bits of the SHA-256 of the owner; zeros for a key without an owner
 *     time         Unix ms; NaN for a record whose key was used again and stands in a later record
 *     accepted     the counts of the answer; UNKNOWN for an answer of another form
 *
 * An answer that says more than its counts is kept as text beside the table, up to MAX_TEXT_BYTES for all. Beyond that the
 * oldest texts go, and a repeat is answered with the counts alone.
 */
const WORDS = 14;
export const RECORD_BYTES = WORDS * 4;
const [OWNER, BODY, TIME, ACCEPTED, REJECTED] = [4, 6, 5, 12, 13] as const; // TIME counts f64, the others u32.
const KEY_WORDS = 4;
const OWNER_WORDS = 2;
const BODY_WORDS = 4;
const TIMES = WORDS / 2;
const UNKNOWN = 0xffff_ffff;

const BLOCK_RECORDS = 8192;
const BLOCK_BYTES = BLOCK_RECORDS * RECORD_BYTES;
const MIN_SLOTS = 1024;

const MAX_TEXT_BYTES = 64 * 1024 * 1024;
/** A longer answer is not kept as text. That of 100 rejected records has 14 KB. */
const MAX_TEXT_LENGTH = 128 * 1024;
/** What a text costs besides its characters, which may take two bytes each. */
const TEXT_OVERHEAD = 128;

/** What is known of a key that was used before. */
export interface KnownKey {
  /** Whether the body was the same. If not, the key is misused. */
  readonly sameBody: boolean;
  /** The JSON body of the first answer; without its list of errors when that is forgotten. */
  readonly answer: string;
}

/** What a request says of its key. */
export type UsedKey = Pick<IdempotencyNote, 'key' | 'bodyHash' | 'owner'>;

/** A request without an owner matches the key of every owner, and a key without one matches every request. */
export function sameOwner(a: string | undefined, b: string | undefined): boolean {
  return a === undefined || b === undefined || a === b;
}

/** An answer: the place of its record in a copy, the first word of the record as a check, the text. */
export type PlacedText = readonly [place: number, check: number, text: string];

interface Block {
  readonly words: Uint32Array;
  readonly times: Float64Array;
  readonly bytes: Uint8Array;
}

function createBlock(records: number): Block {
  const memory = new ArrayBuffer(records * RECORD_BYTES);
  return { words: new Uint32Array(memory), times: new Float64Array(memory), bytes: new Uint8Array(memory) };
}

export interface KeyTableOptions {
  /** Beyond this the keys that were used first are forgotten. */
  readonly maxKeys: number;
  readonly maxTextBytes?: number;
}

/** Records have a sequence, counted from 1. `head` is the first that is kept, `end` that of the next one. */
export class KeyTable {
  readonly #maxKeys: number;
  readonly #maxTextBytes: number;
  readonly #blocks = new Map<number, Block>();
  /** The sequence of a record, or 0 for an empty slot. At most half of the slots are taken. */
  #slots = new Float64Array(MIN_SLOTS);
  #live = 0;
  #head = 1;
  #end = 1;
  /** By sequence, oldest first. */
  readonly #texts = new Map<number, string>();
  #textBytes = 0;
  /** The record that is looked for or about to be added. */
  readonly #record = createBlock(1);
  /** The block that was used last, and its number. */
  #lastBlock = this.#record;
  #lastNumber = -1;

  constructor({ maxKeys, maxTextBytes = MAX_TEXT_BYTES }: KeyTableOptions) {
    this.#maxKeys = maxKeys;
    this.#maxTextBytes = maxTextBytes;
  }

  get size(): number {
    return this.#live;
  }

  get head(): number {
    return this.#head;
  }

  get end(): number {
    return this.#end;
  }

  /** The sequence of the oldest text; `end` when there is none. */
  get oldestText(): number {
    return this.#texts.keys().next().value ?? this.#end;
  }

  /** Memory in bytes. */
  get bytes(): number {
    return this.#blocks.size * BLOCK_BYTES + this.#slots.byteLength + this.#textBytes;
  }

  /** The time of the oldest key; undefined when there is none. */
  oldest(): number | undefined {
    this.#dropDead();
    return this.#head < this.#end ? this.#timeOf(this.#head) : undefined;
  }

  /** Finds a key that was used after `since`: that of the same owner, or one that matches it (`sameOwner`). */
  find(used: UsedKey, since: number): KnownKey | undefined {
    this.#describe(used);
    const { words: asked } = this.#record;
    const anyOwner = !hasOwner(asked, 0);
    let match: number | undefined;
    for (let slot = this.#homeOf(asked, 0); ; slot = this.#next(slot)) {
      const sequence = this.#sequenceAt(slot);
      if (sequence === 0) break;
      const { words } = this.#block(sequence);
      const at = wordOf(sequence);
      if (!equal(words, at, asked, 0, KEY_WORDS) || this.#timeOf(sequence) <= since) continue;
      if (equal(words, at + OWNER, asked, OWNER, OWNER_WORDS)) return this.#known(sequence);
      if (!anyOwner && hasOwner(words, at)) continue;
      if (match === undefined || equal(words, at + BODY, asked, BODY, BODY_WORDS)) match = sequence;
    }
    return match === undefined ? undefined : this.#known(match);
  }

  /** Adds a key as the newest. An older record of the same key and owner is forgotten. */
  add(note: IdempotencyNote, time = note.time): void {
    this.#describe(note);
    const { words, times } = this.#record;
    const counts = readAnswer(note.answer);
    times[TIME] = time;
    words[ACCEPTED] = counts?.accepted ?? UNKNOWN;
    words[REJECTED] = counts?.rejected ?? 0;
    const sequence = this.#append();
    if (counts === undefined || formatAnswer(counts) !== note.answer) this.#addText(sequence, note.answer);
  }

  /** Adds the records of a key file as the newest, in their order. */
  addRecords(records: Uint8Array): void {
    const count = records.length / RECORD_BYTES;
    this.#growIndex(Math.min(this.#live + count, this.#maxKeys + 1));
    for (let done = 0; done < count; ) {
      const first = this.#end;
      const { bytes } = this.#blockToWrite(first);
      const fit = Math.min(count - done, BLOCK_RECORDS - (first % BLOCK_RECORDS));
      bytes.set(records.subarray(done * RECORD_BYTES, (done + fit) * RECORD_BYTES), byteOf(first));
      for (let i = 0; i < fit; i++) this.#enter(this.#end++);
      done += fit;
    }
  }

  /** Keeps the whole answer of the newest record, as long as there is room for it. */
  #addText(sequence: number, text: string): void {
    if (sequence < this.#head || text.length > MAX_TEXT_LENGTH) return;
    this.#texts.set(sequence, text);
    this.#textBytes += costOf(text);
    while (this.#textBytes > this.#maxTextBytes) this.#dropText(this.oldestText);
  }

  /** Gives a record its whole answer again, as `copy` gave it. Has no effect when the record is not that of the answer. */
  restoreText(sequence: number, check: number, text: string): void {
    if (sequence < this.#head || sequence >= this.#end || Number.isNaN(this.#timeOf(sequence))) return;
    if (this.#checkOf(sequence) !== check || this.#texts.has(sequence)) return;
    this.#addText(sequence, text);
  }

  /** Forgets the keys at the old end that were used at `time` or before. */
  dropUntil(time: number): void {
    // Not a comparison with `>`: NaN is the time of a record that is dead.
    while (this.#head < this.#end && !(this.#timeOf(this.#head) > time)) this.#dropHead();
  }

  /** Gives each key another time, in the order of use. */
  retime(timeOf: (time: number, sequence: number) => number): void {
    for (let sequence = this.#head; sequence < this.#end; sequence++) {
      const { times } = this.#block(sequence);
      const at = timeAt(sequence);
      const time = times[at];
      if (time !== undefined && !Number.isNaN(time)) times[at] = timeOf(time, sequence);
    }
  }

  /** A copy of the records from `from` to before `to` that are kept, and of their texts. */
  copy(from: number, to: number): { readonly records: Buffer; readonly texts: readonly PlacedText[] } {
    const first = Math.max(from, this.#head);
    const records = Buffer.alloc(Math.max(0, to - first) * RECORD_BYTES);
    const texts: PlacedText[] = [];
    let count = 0;
    for (let sequence = first; sequence < to; sequence++) {
      if (Number.isNaN(this.#timeOf(sequence))) continue;
      const at = byteOf(sequence);
      records.set(this.#block(sequence).bytes.subarray(at, at + RECORD_BYTES), count * RECORD_BYTES);
      const text = this.#texts.get(sequence);
      if (text !== undefined) texts.push([count, this.#checkOf(sequence), text]);
      count++;
    }
    return { records: records.subarray(0, count * RECORD_BYTES), texts };
  }

  /** Writes the digests of a key into `#record`. */
  #describe({ key, owner, bodyHash }: UsedKey): void {
    const { words } = this.#record;
    writeDigest(words, 0, KEY_WORDS, key);
    if (owner === undefined) words.fill(0, OWNER, OWNER + OWNER_WORDS);
    else writeDigest(words, OWNER, OWNER_WORDS, owner);
    if (HEX.test(bodyHash)) writeHex(words, BODY, BODY_WORDS, bodyHash);
    else writeDigest(words, BODY, BODY_WORDS, bodyHash);
  }

  /** Adds `#record`. */
  #append(): number {
    this.#growIndex(this.#live + 1);
    const sequence = this.#end;
    this.#blockToWrite(sequence).bytes.set(this.#record.bytes, byteOf(sequence));
    this.#end++;
    this.#enter(sequence);
    return sequence;
  }

  #blockToWrite(sequence: number): Block {
    const number = Math.floor(sequence / BLOCK_RECORDS);
    const block = this.#blocks.get(number) ?? createBlock(BLOCK_RECORDS);
    this.#blocks.set(number, block);
    return block;
  }

  /** Enters a record that is in its place into the index. */
  #enter(sequence: number): void {
    const { words } = this.#block(sequence);
    const slot = this.#slotOf(words, wordOf(sequence));
    const before = this.#sequenceAt(slot);
    this.#slots[slot] = sequence;
    if (before === 0) this.#live++;
    else this.#bury(before);
    while (this.#live > this.#maxKeys) this.#dropHead();
  }

  /** The slot of a key and owner, or the empty one where they belong. */
  #slotOf(asked: Uint32Array, at: number): number {
    for (let slot = this.#homeOf(asked, at); ; slot = this.#next(slot)) {
      const sequence = this.#sequenceAt(slot);
      if (sequence === 0) return slot;
      if (equal(this.#block(sequence).words, wordOf(sequence), asked, at, KEY_WORDS + OWNER_WORDS)) return slot;
    }
  }

  #bury(sequence: number): void {
    this.#block(sequence).times[timeAt(sequence)] = Number.NaN;
    this.#dropText(sequence);
  }

  #dropDead(): void {
    while (this.#head < this.#end && Number.isNaN(this.#timeOf(this.#head))) this.#dropHead();
  }

  #dropHead(): void {
    const sequence = this.#head;
    if (!Number.isNaN(this.#timeOf(sequence))) {
      this.#removeFromIndex(sequence);
      this.#dropText(sequence);
      this.#live--;
    }
    this.#head++;
    if (this.#head % BLOCK_RECORDS === 0) this.#blocks.delete(this.#head / BLOCK_RECORDS - 1);
  }

  #dropText(sequence: number): void {
    const text = this.#texts.get(sequence);
    if (text === undefined) return;
    this.#texts.delete(sequence);
    this.#textBytes -= costOf(text);
  }

  /** Makes room for `keys` keys. */
  #growIndex(keys: number): void {
    let length = this.#slots.length;
    while (length < keys * 2) length *= 2;
    if (length === this.#slots.length) return;
    this.#slots = new Float64Array(length);
    for (let sequence = this.#head; sequence < this.#end; sequence++) {
      if (Number.isNaN(this.#timeOf(sequence))) continue;
      let slot = this.#homeOf(this.#block(sequence).words, wordOf(sequence));
      while (this.#sequenceAt(slot) !== 0) slot = this.#next(slot);
      this.#slots[slot] = sequence;
    }
  }

  /** Closes the gap: a later record of the same run of slots moves into it, if it may stand there. */
  #removeFromIndex(sequence: number): void {
    let gap = this.#homeOf(this.#block(sequence).words, wordOf(sequence));
    while (this.#sequenceAt(gap) !== sequence) gap = this.#next(gap);
    const mask = this.#slots.length - 1;
    for (let slot = this.#next(gap); ; slot = this.#next(slot)) {
      const other = this.#sequenceAt(slot);
      if (other === 0) break;
      const home = this.#homeOf(this.#block(other).words, wordOf(other));
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      this.#slots[gap] = other;
      gap = slot;
    }
    this.#slots[gap] = 0;
  }

  #checkOf(sequence: number): number {
    return this.#block(sequence).words[wordOf(sequence)] ?? 0;
  }

  #known(sequence: number): KnownKey {
    const { words } = this.#block(sequence);
    const at = wordOf(sequence);
    const sameBody = equal(words, at + BODY, this.#record.words, BODY, BODY_WORDS);
    const [accepted = UNKNOWN, rejected = 0] = words.subarray(at + ACCEPTED, at + REJECTED + 1);
    const short = accepted === UNKNOWN ? '{}' : formatAnswer({ accepted, rejected });
    return { sameBody, answer: this.#texts.get(sequence) ?? short };
  }

  #block(sequence: number): Block {
    const number = Math.floor(sequence / BLOCK_RECORDS);
    if (number === this.#lastNumber) return this.#lastBlock;
    const block = this.#blocks.get(number);
    if (block === undefined) throw new Error(`the idempotency keys have no record ${sequence}`);
    this.#lastNumber = number;
    this.#lastBlock = block;
    return block;
  }

  #timeOf(sequence: number): number {
    return this.#block(sequence).times[timeAt(sequence)] ?? Number.NaN;
  }

  #sequenceAt(slot: number): number {
    return this.#slots[slot] ?? 0;
  }

  #homeOf(words: Uint32Array, at: number): number {
    return (words[at] ?? 0) & (this.#slots.length - 1);
  }

  #next(slot: number): number {
    return (slot + 1) & (this.#slots.length - 1);
  }
}

/** A digest in hex is taken as it is. */
const HEX = /^[0-9a-f]{32}/;

function writeHex(words: Uint32Array, at: number, count: number, hex: string): void {
  for (let i = 0; i < count; i++) words[at + i] = Number.parseInt(hex.slice(8 * i, 8 * i + 8), 16);
}

function writeDigest(words: Uint32Array, at: number, count: number, text: string): void {
  const digest = hash('sha256', text, 'buffer');
  for (let i = 0; i < count; i++) words[at + i] = digest.readUInt32LE(4 * i);
}

function equal(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number, count: number): boolean {
  for (let i = 0; i < count; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}

function hasOwner(words: Uint32Array, at: number): boolean {
  return words[at + OWNER] !== 0 || words[at + OWNER + 1] !== 0;
}

function wordOf(sequence: number): number {
  return (sequence % BLOCK_RECORDS) * WORDS;
}

function timeAt(sequence: number): number {
  return (sequence % BLOCK_RECORDS) * TIMES + TIME;
}

function byteOf(sequence: number): number {
  return (sequence % BLOCK_RECORDS) * RECORD_BYTES;
}

function costOf(text: string): number {
  return TEXT_OVERHEAD + 2 * text.length;
}
