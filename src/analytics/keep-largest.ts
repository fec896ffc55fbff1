type Entry = readonly [key: string, count: number];

/**
 * The `n` largest counts, largest first, equal ones by key; without `n` the map as it is. Keeps a sorted list of n: most counts are less
 * than its last one and cost one comparison.
 */
export function keepLargest(counts: ReadonlyMap<string, number>, n: number | undefined): ReadonlyMap<string, number> {
  if (n === undefined) return counts;
  if (counts.size <= n) return new Map([...counts].sort(byCount));
  const top: Entry[] = [];
  counts.forEach((count, key) => {
    const last = top.at(-1);
    if (top.length >= n && last !== undefined && !isBefore(count, key, last)) return;
    top.splice(findPlace(top, count, key), 0, [key, count]);
    if (top.length > n) top.pop();
  });
  return new Map(top);
}

function isBefore(count: number, key: string, [otherKey, otherCount]: Entry): boolean {
  return count === otherCount ? key < otherKey : count > otherCount;
}

function findPlace(sorted: readonly Entry[], count: number, key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = sorted[middle];
    if (entry !== undefined && isBefore(count, key, entry)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function byCount(a: Entry, b: Entry): number {
  return isBefore(a[1], a[0], b) ? -1 : 1;
}
