// FAST PATH. Counts tokens by their bytes, so that no string is made for one that was seen before. Measured against
// a Map of strings by bench/aggregate.ts.
//
// Entries follow each other in `arena`, all words little-endian:
//
//   word 0      how often it was seen
//   word 1      length of the token in bytes
//   word 2 ...  the token, its last word filled up with zeros (a token holds no byte below 0x20)
//
// `slots` is open-addressed, two words a slot: hash, and the entry's first word (0: free; entries start at word 1).

const MIN_SLOTS = 1 << 10;
const MIN_ARENA_BYTES = 1 << 16;
const HEADER_WORDS = 2;
/** At half load a search takes a few steps. Where it takes this many, somebody chose tokens that collide. */
const MAX_STEPS = 48;

/** Bytes of entry beside the token, and of its two slots: what a distinct token costs beyond its own length. */
export const TOKEN_OVERHEAD_BYTES = HEADER_WORDS * 4 + 2 * 8;

export class TokenTable {
  #slots = new Int32Array(MIN_SLOTS * 2);
  #mask = MIN_SLOTS - 1;
  #arena = new DataView(new ArrayBuffer(MIN_ARENA_BYTES));
  #end = 1;
  #size = 0;

  /** Distinct tokens. */
  get size(): number {
    return this.#size;
  }

  /** Memory that the tokens take, without the slots. */
  get arenaBytes(): number {
    return this.#arena.byteLength;
  }

  /**
   * The entry of the token in [start, end) of `view`, whose hash is `hash`; 0 where there is none. `view` must reach three bytes beyond
   * `end`.
   */
  find(view: DataView, start: number, end: number, hash: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = hash & mask;
    for (let step = 0; step < MAX_STEPS; step++) {
      const entry = slots[slot * 2 + 1] as number;
      if (entry === 0) return 0;
      if (slots[slot * 2] === hash && this.#equals(entry, view, start, end)) return entry;
      slot = (slot + 1) & mask;
    }
    return 0;
  }

  /** Makes an entry for a token that `find` did not find. 0 where the table refuses it: too many others share its slot. */
  insert(view: DataView, start: number, end: number, hash: number): number {
    let slot = hash & this.#mask;
    for (let step = 0; step < MAX_STEPS; step++) {
      if (this.#slots[slot * 2 + 1] === 0) return this.#insert(slot, view, start, end, hash);
      slot = (slot + 1) & this.#mask;
    }
    return 0;
  }

  /** Counts the token of an entry once. */
  count(entry: number): void {
    const arena = this.#arena;
    arena.setInt32(entry * 4, arena.getInt32(entry * 4, true) + 1, true);
  }

  /** Every token with its count, in the order in which they were first seen. `token` is a view, good for this call. */
  forEach(visit: (token: Buffer, count: number) => void): void {
    const bytes = Buffer.from(this.#arena.buffer);
    for (let entry = 1; entry < this.#end; ) {
      const length = this.#arena.getInt32((entry + 1) * 4, true);
      const start = (entry + HEADER_WORDS) * 4;
      const count = this.#arena.getUint32(entry * 4, true);
      if (count > 0) visit(bytes.subarray(start, start + length), count);
      entry += HEADER_WORDS + ((length + 3) >>> 2);
    }
  }

  #equals(entry: number, view: DataView, start: number, end: number): boolean {
    const arena = this.#arena;
    let at = entry * 4 + 4;
    const length = end - start;
    if (arena.getInt32(at, true) !== length) return false;
    const whole = start + (length & ~3);
    let p = start;
    for (; p + 8 <= whole; p += 8) {
      at += 8;
      const differ1 = arena.getInt32(at - 4, true) ^ view.getInt32(p, true);
      const differ2 = arena.getInt32(at, true) ^ view.getInt32(p + 4, true);
      if ((differ1 | differ2) !== 0) return false;
    }
    if (p < whole) {
      at += 4;
      if (arena.getInt32(at, true) !== view.getInt32(p, true)) return false;
    }
    return whole === end || arena.getInt32(at + 4, true) === lastWord(view, whole, end - whole);
  }

  #insert(slot: number, view: DataView, start: number, end: number, hash: number): number {
    const length = end - start;
    const words = HEADER_WORDS + ((length + 3) >>> 2);
    if ((this.#end + words) * 4 > this.#arena.byteLength) this.#growArena((this.#end + words) * 4);
    const arena = this.#arena;
    let at = this.#end * 4;
    arena.setInt32(at, 0, true);
    arena.setInt32(at + 4, length, true);
    at += HEADER_WORDS * 4;
    const whole = start + (length & ~3);
    for (let p = start; p < whole; p += 4, at += 4) arena.setInt32(at, view.getInt32(p, true), true);
    if (whole < end) arena.setInt32(at, lastWord(view, whole, end - whole), true);
    this.#slots[slot * 2] = hash;
    const entry = this.#end;
    this.#slots[slot * 2 + 1] = entry;
    this.#end += words;
    this.#size += 1;
    if (this.#size * 2 > this.#mask) this.#growSlots();
    return entry;
  }

  #growArena(bytes: number): void {
    const grown = new Uint8Array(Math.max(bytes, this.#arena.byteLength * 2));
    grown.set(new Uint8Array(this.#arena.buffer));
    this.#arena = new DataView(grown.buffer);
  }

  #growSlots(): void {
    const old = this.#slots;
    const mask = this.#mask * 2 + 1;
    const slots = new Int32Array((mask + 1) * 2);
    for (let i = 0; i < old.length; i += 2) {
      const entry = old[i + 1] as number;
      if (entry === 0) continue;
      const hash = old[i] as number;
      let slot = hash & mask;
      while (slots[slot * 2 + 1] !== 0) slot = (slot + 1) & mask;
      slots[slot * 2] = hash;
      slots[slot * 2 + 1] = entry;
    }
    this.#slots = slots;
    this.#mask = mask;
  }
}

/** The `count` bytes (1 to 3) at `at`, zeros above them. */
export function lastWord(view: DataView, at: number, count: number): number {
  return view.getInt32(at, true) & ((1 << (count * 8)) - 1);
}
