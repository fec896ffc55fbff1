import { type Entry, hashHead, NO_INODE, type SeenFile } from './identity.ts';

/**
 * More files with one head are not distinguished by their places: each costs a look at the disk, for each file that is new. Those beyond are
 * taken to be in their place.
 */
export const MAX_TWINS = 16;

/** Ids of a stream by what is looked for. Mostly there is one, and there are thousands of keys: then it stands there without an array. */
type Index<Key> = Map<string, Map<Key, string | string[]>>;

/** Entries of all streams, found by what is seen of a file. */
export class KnownFiles {
  readonly #byId = new Map<string, Entry>();
  readonly #byInode: Index<number> = new Map();
  /** In the order of the paths, since thousands of files may begin alike: those whose paths agree furthest stand side by side. */
  readonly #byHead: Index<string> = new Map();
  readonly #rawByPath: Index<string> = new Map();
  /** How many entries have a head of so many bytes. */
  readonly #headLengths = new Map<number, number>();

  constructor(entries: Iterable<Entry> = []) {
    for (const entry of entries) this.#index(entry);
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Entry | undefined {
    return this.#byId.get(id);
  }

  values(): IterableIterator<Entry> {
    return this.#byId.values();
  }

  /** Adds an entry, or puts it in the place of that with its id. */
  set(entry: Entry): void {
    const before = this.#byId.get(entry.id);
    if (before !== undefined && isFoundAlike(before, entry)) {
      this.#byId.set(entry.id, entry);
      return;
    }
    if (before !== undefined) this.#unindex(before);
    this.#index(entry);
  }

  delete(id: string): void {
    const entry = this.#byId.get(id);
    if (entry !== undefined) this.#unindex(entry);
  }

  /** Entries of the stream with its device and inode. */
  withInode({ device, inode }: SeenFile, stream: string): Entry[] {
    return this.#entries(idsOf(this.#byInode, stream, inode)).filter((entry) => entry.device === device);
  }

  /** Entries of the stream that begin as the file does, those with the longest heads and the nearest paths first; at most MAX_TWINS. */
  withHead({ head, path }: SeenFile, stream: string): Entry[] {
    const found: Entry[] = [];
    for (const length of this.#headLengths.keys()) {
      if (length > head.length) continue;
      const ids = idsOf(this.#byHead, stream, hashHead(head, length));
      const at = this.#placeOf(path, ids);
      // All whose paths agree furthest are among those on either side.
      found.push(...this.#entries(ids.slice(Math.max(0, at - MAX_TWINS), at + MAX_TWINS)));
    }
    return nearest(found, path);
  }

  /** The raw entry of the stream with that path. */
  raw(path: string, stream: string): Entry | undefined {
    return this.#entries(idsOf(this.#rawByPath, stream, path))[0];
  }

  #entries(ids: readonly string[]): Entry[] {
    return ids.flatMap((id) => this.#byId.get(id) ?? []);
  }

  #index(entry: Entry): void {
    const { id, stream, path, inode, head, headBytes } = entry;
    this.#byId.set(id, entry);
    if (entry.raw === true) {
      put(this.#rawByPath, stream, path, id);
      return;
    }
    if (inode !== NO_INODE) put(this.#byInode, stream, inode, id);
    // It is not found by a head before it has one.
    if (entry.unread !== undefined) return;
    put(this.#byHead, stream, head, id, (ids) => this.#placeOf(path, ids));
    this.#headLengths.set(headBytes, (this.#headLengths.get(headBytes) ?? 0) + 1);
  }

  #unindex(entry: Entry): void {
    const { id, stream, path, inode, head, headBytes } = entry;
    if (entry.raw === true) take(this.#rawByPath, stream, path, id);
    else if (entry.unread !== undefined) take(this.#byInode, stream, inode, id);
    else {
      take(this.#byInode, stream, inode, id);
      take(this.#byHead, stream, head, id, (ids) => this.#placeOf(path, ids));
      const count = this.#headLengths.get(headBytes) ?? 0;
      if (count > 1) this.#headLengths.set(headBytes, count - 1);
      else this.#headLengths.delete(headBytes);
    }
    this.#byId.delete(id);
  }

  /** Of ids in the order of their paths, the index of the first whose path is not before this one. */
  #placeOf(path: string, ids: readonly string[]): number {
    let from = 0;
    for (let to = ids.length; from < to; ) {
      const middle = (from + to) >>> 1;
      if ((this.#byId.get(ids[middle] ?? '')?.path ?? '') < path) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** Whether both are found by the same keys. */
function isFoundAlike(one: Entry, other: Entry): boolean {
  if (one.raw === true || other.raw === true) return false;
  const { device, inode, head, path } = one;
  return device === other.device && inode === other.inode && head === other.head && path === other.path;
}

function idsOf<Key>(index: Index<Key>, stream: string, key: Key): readonly string[] {
  const ids = index.get(stream)?.get(key) ?? [];
  return typeof ids === 'string' ? [ids] : ids;
}

/** `placeOf`: where it belongs among several. */
function put<Key>(index: Index<Key>, stream: string, key: Key, id: string, placeOf = atEnd): void {
  const keys = index.get(stream) ?? new Map<Key, string | string[]>();
  index.set(stream, keys);
  const before = keys.get(key);
  if (before === undefined) keys.set(key, id);
  else {
    const ids = typeof before === 'string' ? [before] : before;
    ids.splice(placeOf(ids), 0, id);
    keys.set(key, ids);
  }
}

/** `placeOf`: it is not before that. */
function take<Key>(index: Index<Key>, stream: string, key: Key, id: string, placeOf = atStart): void {
  const keys = index.get(stream);
  const ids = keys?.get(key);
  if (ids === id) keys?.delete(key);
  if (ids === undefined || typeof ids === 'string') return;
  const at = ids.indexOf(id, placeOf(ids));
  if (at >= 0) ids.splice(at, 1);
  if (ids.length === 0) keys?.delete(key);
}

function atEnd(ids: readonly string[]): number {
  return ids.length;
}

function atStart(_ids: readonly string[]): number {
  return 0;
}

/** Longer heads first, since they say more; then those whose paths agree furthest, as `access.log` and `access.log.1.gz` do. */
function nearest(entries: readonly Entry[], path: string): Entry[] {
  return entries
    .map((entry) => ({ entry, agreed: agreement(entry.path, path) }))
    .sort((a, b) => b.entry.headBytes - a.entry.headBytes || b.agreed - a.agreed || b.entry.seen - a.entry.seen)
    .slice(0, MAX_TWINS)
    .map(({ entry }) => entry);
}

/** Characters that two texts begin with. */
function agreement(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  return length;
}
