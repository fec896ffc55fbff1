import { type Entry, hashHead, NO_INODE, type SeenFile } from './identity.ts';

/**
 * More files with one head are not distinguished by their places: each costs a look at the disk, for each file that is new. Those beyond are
 * taken to be in their place.
 */
export const MAX_TWINS = 16;

/** Entries of all streams, found by what is seen of a file. */
export class KnownFiles {
  readonly #byId = new Map<string, Entry>();
  readonly #byInode = new Map<string, string[]>();
  /** By the paths, since thousands of files may begin alike: those whose paths agree furthest stand side by side. */
  readonly #byHead = new Map<string, PathOrder>();
  readonly #rawByPath = new Map<string, string[]>();
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
  withInode(seen: SeenFile, stream: string): Entry[] {
    return this.#entries(this.#byInode.get(inodeKey(seen, stream)));
  }

  /** Entries of the stream that begin as the file does, those with the longest heads and the nearest paths first; at most MAX_TWINS. */
  withHead(seen: SeenFile, stream: string): Entry[] {
    const found: Entry[] = [];
    for (const length of this.#headLengths.keys()) {
      if (length > seen.head.length) continue;
      const alike = this.#byHead.get(headKey(hashHead(seen.head, length), length, stream));
      found.push(...this.#entries(alike?.near(seen.path, MAX_TWINS)));
    }
    return nearest(found, seen.path);
  }

  /** The raw entry of the stream with that path. */
  raw(path: string, stream: string): Entry | undefined {
    return this.#entries(this.#rawByPath.get(rawKey(path, stream)))[0];
  }

  #entries(ids: readonly string[] = []): Entry[] {
    return ids.flatMap((id) => this.#byId.get(id) ?? []);
  }

  #index(entry: Entry): void {
    const { id, stream, head, headBytes } = entry;
    this.#byId.set(id, entry);
    if (entry.raw === true) {
      put(this.#rawByPath, rawKey(entry.path, stream), id);
      return;
    }
    if (entry.inode !== NO_INODE) put(this.#byInode, inodeKey(entry, stream), id);
    const key = headKey(head, headBytes, stream);
    const alike = this.#byHead.get(key) ?? new PathOrder();
    this.#byHead.set(key, alike);
    alike.add(entry.path, id);
    this.#headLengths.set(headBytes, (this.#headLengths.get(headBytes) ?? 0) + 1);
  }

  #unindex(entry: Entry): void {
    const { id, stream, head, headBytes } = entry;
    this.#byId.delete(id);
    if (entry.raw === true) {
      take(this.#rawByPath, rawKey(entry.path, stream), id);
      return;
    }
    take(this.#byInode, inodeKey(entry, stream), id);
    const key = headKey(head, headBytes, stream);
    const alike = this.#byHead.get(key);
    alike?.delete(entry.path, id);
    if (alike?.size === 0) this.#byHead.delete(key);
    const count = this.#headLengths.get(headBytes) ?? 0;
    if (count > 1) this.#headLengths.set(headBytes, count - 1);
    else this.#headLengths.delete(headBytes);
  }
}

/** Whether both are found by the same keys. */
function isFoundAlike(one: Entry, other: Entry): boolean {
  if (one.raw === true || other.raw === true) return false;
  const { device, inode, head, path } = one;
  return device === other.device && inode === other.inode && head === other.head && path === other.path;
}

function inodeKey({ device, inode }: Pick<SeenFile, 'device' | 'inode'>, stream: string): string {
  return `${stream} ${device} ${inode}`;
}

function headKey(head: string, headBytes: number, stream: string): string {
  return `${stream} ${headBytes} ${head}`;
}

function rawKey(path: string, stream: string): string {
  return `${stream} ${path}`;
}

function put(map: Map<string, string[]>, key: string, id: string): void {
  const ids = map.get(key);
  if (ids === undefined) map.set(key, [id]);
  else ids.push(id);
}

function take(map: Map<string, string[]>, key: string, id: string): void {
  const ids = map.get(key);
  const at = ids?.indexOf(id) ?? -1;
  if (at >= 0) ids?.splice(at, 1);
  if (ids?.length === 0) map.delete(key);
}

/** Ids in the order of their paths. */
class PathOrder {
  readonly #paths: string[] = [];
  readonly #ids: string[] = [];

  get size(): number {
    return this.#ids.length;
  }

  add(path: string, id: string): void {
    const at = this.#firstFrom(path);
    this.#paths.splice(at, 0, path);
    this.#ids.splice(at, 0, id);
  }

  delete(path: string, id: string): void {
    const at = this.#ids.indexOf(id, this.#firstFrom(path));
    if (at < 0) return;
    this.#paths.splice(at, 1);
    this.#ids.splice(at, 1);
  }

  /** So many on either side of the path, at most: all whose paths agree furthest with it are among them. */
  near(path: string, most: number): readonly string[] {
    const at = this.#firstFrom(path);
    return this.#ids.slice(Math.max(0, at - most), at + most);
  }

  /** The index of the first path that is not before this one. */
  #firstFrom(path: string): number {
    let from = 0;
    for (let to = this.#paths.length; from < to; ) {
      const middle = (from + to) >>> 1;
      if ((this.#paths[middle] ?? '') < path) from = middle + 1;
      else to = middle;
    }
    return from;
  }
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
