/** Repeatable random numbers. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** A whole number from `min` to `max`, both included. */
  int(min: number, max: number): number;
  pick<T>(items: readonly [T, ...T[]]): T;
}

/** Mixes the number of a producer into a seed: 2^32 divided by the golden ratio. */
const STEP = 0x9e3779b9;

/** Source: Tommy Ettinger's mulberry32, public domain. `producer`: each has numbers of its own. */
export function createRandom(seed: number, producer = 0): Random {
  let state = (seed + Math.imul(producer, STEP)) | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const int = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return { next, int, pick: (items) => items[int(0, items.length - 1)] ?? items[0] };
}
