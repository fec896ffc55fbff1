import { isUtf8 } from 'node:buffer';
import { TokenTable } from '../lines/token-table.ts';
import { BYTES } from '../model/bytes.ts';
import type { MapLimits } from '../model/summary.ts';

const { BACKSLASH } = BYTES;

/** Keys that are counted by their bytes are kept beside the map. Once they take this much, further ones are counted by their text. */
const TABLE_BYTES = 64 * 1024 * 1024;

/** What `find` gives for a token that the table does not have. */
const NOT_THERE = -1;

/**
 * Counts the texts of one field. A map that is full, by keys or by their bytes, takes no new key: its records count in `other`. A key that
 * came is judged by the keys that came before it alone, so it does not matter in how many runs an hour is counted.
 */
export class KeyCounts {
  /** Records of keys that the map does not name. */
  other: number;
  readonly #counts: Map<string, number>;
  readonly #limits: MapLimits;
  readonly #table = new TokenTable();
  #keyBytes = 0;

  /** `counts` is what was counted before, and changes. */
  constructor(counts: Map<string, number>, limits: MapLimits, other: number) {
    this.#counts = counts;
    this.#limits = limits;
    this.other = other;
    if (limits.maxKeyBytes === Infinity) return;
    for (const key of counts.keys()) this.#keyBytes += Buffer.byteLength(key);
  }

  /** What `count` takes for the token in [start, end) of `view`; 0 where its bytes are not its text. Changes nothing. */
  find(view: DataView, start: number, end: number, hash: number): number {
    const entry = this.#table.find(view, start, end, hash);
    if (entry !== 0) return entry;
    const bytes = bytesOf(view, start, end);
    return bytes.includes(BACKSLASH) || !isUtf8(bytes) ? 0 : NOT_THERE;
  }

  /** Counts what `find` has found, of the same token. */
  count(entry: number, view: DataView, start: number, end: number, hash: number): void {
    if (entry > 0) this.#table.count(entry);
    else this.#meet(view, start, end, hash);
  }

  countText(text: string): void {
    if (this.#names(text, Buffer.byteLength(text))) this.#add(text, 1);
    else this.other += 1;
  }

  /** The map with everything that was counted. */
  finish(): Map<string, number> {
    this.#table.forEach((token, count) => {
      this.#add(token.toString(), count);
    });
    return this.#counts;
  }

  /** Counts a token that the table does not have. */
  #meet(view: DataView, start: number, end: number, hash: number): void {
    const text = bytesOf(view, start, end).toString();
    if (!this.#names(text, end - start)) {
      this.other += 1;
      return;
    }
    const entry = this.#table.arenaBytes > TABLE_BYTES ? 0 : this.#table.insert(view, start, end, hash);
    if (entry === 0) this.#add(text, 1);
    else this.#table.count(entry);
  }

  /** Whether the map names the key, which it does from now on where it has room. */
  #names(text: string, bytes: number): boolean {
    if (this.#counts.has(text)) return true;
    const { maxKeys, maxKeyBytes } = this.#limits;
    if (this.#counts.size >= maxKeys || this.#keyBytes + bytes > maxKeyBytes) return false;
    this.#counts.set(text, 0);
    this.#keyBytes += bytes;
    return true;
  }

  #add(key: string, count: number): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + count);
  }
}

function bytesOf({ buffer, byteOffset }: DataView, start: number, end: number): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset + start, end - start);
}
