import { open } from 'node:fs/promises';
import { canonicalPath } from '../../disk/canonical-path.ts';
import { isAbsent } from '../../disk/missing.ts';
import { HEAD_BYTES, type KnownFile } from './files.ts';
import {
  beginsAs,
  type Entry,
  hashHead,
  hasInodeOf,
  isInPlace,
  isPacked,
  isUnread,
  lookAt,
  NO_INODE,
  readAt,
  type SeenFile,
} from './identity.ts';
import type { KnownFiles } from './known-files.ts';

export interface IdentificationOptions {
  readonly known: KnownFiles;
  readonly stream: string;
  readonly warn: (message: string) => void;
  readonly now: () => number;
  /** See CheckpointFile. */
  readonly save: (id: string) => Promise<void>;
  readonly change: (id: string) => void;
  readonly createId: (seen: SeenFile) => string;
}

/** About a line with its time: other files hardly begin with the same. */
const TELLING_BYTES = 64;
/** A copy that has not changed for so long is made. */
const SETTLE_MS = 5_000;
/** How old `seen` may be: idle files cost a write a day. */
const SEEN_EACH_MS = 24 * 60 * 60 * 1_000;

/**
 * Tells which file is seen, see Checkpoint.identify. A file with a known inode and head is found at once. The others are decided one after
 * the other, so that of two copies that come at once the second one meets the first.
 */
export class Identification {
  readonly #options: IdentificationOptions;
  /** New entries that are not durable yet. */
  readonly #creating = new Map<string, Promise<void>>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: IdentificationOptions) {
    this.#options = options;
  }

  async identify(seen: SeenFile): Promise<KnownFile | 'undecided' | 'empty'> {
    if (seen.head.length === 0) return 'empty';
    const found = this.#findByInode(seen);
    if (found !== undefined) return this.#durably(found);
    const decided = this.#turn.then(() => this.#decide(seen));
    this.#turn = decided.catch(() => undefined);
    const entry = await decided;
    return entry === 'undecided' ? entry : this.#durably(entry);
  }

  /** The entry, once its id is durable. */
  async #durably({ id }: Entry): Promise<KnownFile | 'undecided'> {
    await this.#creating.get(id);
    return this.#options.known.get(id) ?? 'undecided';
  }

  async #decide(first: SeenFile): Promise<Entry | 'undecided'> {
    const { known, stream, now } = this.#options;
    const seen = await this.#seeAgain(first);
    const found = this.#findByInode(seen) ?? (await this.#findInVersion1(seen));
    if (found !== undefined) return found;
    const isYoung = Math.abs(now() - seen.changedMs) < SETTLE_MS;
    if (isYoung && seen.isCut === true) return 'undecided';
    let hasTwin = false;
    for (const twin of known.withHead(seen, stream)) {
      // A truncated file is not itself; nor can a very short head vouch for more than its bytes.
      if (hasInodeOf(twin, seen) || (twin.headBytes < TELLING_BYTES && twin.offset > twin.headBytes)) continue;
      if (await this.#isStillThere(twin, seen)) hasTwin = true;
      else if (!isShorter(twin, seen)) return this.#continue(twin, seen);
      else if (isYoung) return 'undecided';
    }
    // While the places were looked at, it may have been found by its inode.
    return this.#findByInode(seen) ?? (hasTwin && isYoung ? 'undecided' : this.#create(seen));
  }

  #findByInode(seen: SeenFile): Entry | undefined {
    const found = this.#sameFile(seen);
    return found === undefined || isShorter(found, seen) ? undefined : this.#moveTo(found, seen);
  }

  /** The entry with its inode and head. With several that have short heads, the longest says most. */
  #sameFile(seen: SeenFile): Entry | undefined {
    const { known, stream } = this.#options;
    const entries = known.withInode(seen, stream).filter((entry) => hasInodeOf(entry, seen) && beginsAs(entry, seen));
    return entries.sort((a, b) => a.headBytes - b.headBytes).at(-1);
  }

  /** What is seen now of a file that looks shorter than what was delivered of it: it may have been looked at before it grew. */
  async #seeAgain(seen: SeenFile): Promise<SeenFile> {
    const shorter = this.#sameFile(seen);
    if (shorter === undefined) return seen;
    const again = await lookAt(seen.path);
    const isOutdated = again !== undefined && hasInodeOf(shorter, again) && !isShorter(shorter, again);
    return isOutdated ? { ...seen, ...again, size: Number.POSITIVE_INFINITY } : seen;
  }

  /** Where it was seen last, or where a compressed file has its original: that may have been renamed, and not been seen since. */
  async #isStillThere(twin: Entry, seen: SeenFile): Promise<boolean> {
    if (await isInPlace(twin)) return true;
    const original = seen.path.replace(/\.(gz|zst|bz2|xz)$/, '');
    if (original === seen.path || original === twin.path || !(await isInPlace(twin, original))) return false;
    this.#update({ ...(this.#options.known.get(twin.id) ?? twin), path: original });
    return true;
  }

  /** The entry of version 1 with its path, if the file begins as it did. */
  async #findInVersion1(seen: SeenFile): Promise<Entry | undefined> {
    const entry = this.#options.known.raw(seen.path, this.#options.stream);
    if (entry === undefined || isShorter(entry, seen)) return undefined;
    return (await hashRaw(seen, entry.headBytes)) === entry.head ? this.#moveTo(entry, seen) : undefined;
  }

  /** The entry with what is seen of its file now. */
  #moveTo(entry: Entry, seen: SeenFile): Entry {
    const { now } = this.#options;
    const isLonger = entry.raw === true || Math.min(seen.head.length, HEAD_BYTES) > entry.headBytes;
    const isPlaced = entry.path === seen.path && hasInodeOf(entry, seen);
    const isRecent = now() - entry.seen < SEEN_EACH_MS;
    if (isPlaced && isRecent && !isLonger) return entry;
    const { raw: _raw, packed: _packed, ...rest } = this.#options.known.get(entry.id) ?? entry;
    return this.#update({ ...rest, ...placeOf(seen), ...(isLonger && headOf(seen)), seen: now() });
  }

  /** The file goes on as the entry says, which had another inode; not as a file that stood there. */
  #continue(entry: Entry, seen: SeenFile): Entry {
    const unread = this.#unreadOf(seen);
    if (unread !== undefined) this.#leave(unread, seen);
    return this.#moveTo(entry, seen);
  }

  #unreadOf(seen: SeenFile): Entry | undefined {
    const { known, stream } = this.#options;
    return known.withInode(seen, stream).find((entry) => isUnread(entry, seen));
  }

  #update(changed: Entry): Entry {
    const { known, change } = this.#options;
    const before = known.get(changed.id);
    const isMoved = before !== undefined && before.path !== changed.path;
    const entry = isMoved ? { firstPath: before.path, ...changed } : changed;
    known.set(entry);
    change(entry.id);
    return entry;
  }

  #create(seen: SeenFile): Entry {
    const { known, stream, now, save, createId } = this.#options;
    const unread = this.#unreadOf(seen);
    for (const old of known.withInode(seen, stream)) if (old !== unread) this.#leave(old, seen);
    const id = unread?.id ?? createId(seen);
    const start = { offset: 0, number: 0, state: '', format: '', noted: [] };
    const firstPath = unread === undefined ? canonicalPath(seen.path) : (unread.firstPath ?? unread.path);
    const place = { ...placeOf(seen), ...(firstPath !== seen.path && { firstPath }) };
    const bytes = unread?.unread?.bytes ?? 0;
    const skip = bytes > 0 && { skip: isPacked(seen) ? ('all' as const) : bytes };
    const entry = { id, stream, ...place, ...headOf(seen), ...start, ...skip, seen: now() };
    known.set(entry);
    const saved = save(id).finally(() => this.#creating.delete(id));
    // Whoever asks for it waits for this. A file without an id on disk is not known.
    saved.catch(() => (unread === undefined ? known.delete(id) : known.set(unread)));
    this.#creating.set(id, saved);
    return entry;
  }

  /** Another content has the inode of the entry now. */
  #leave(old: Entry, seen: SeenFile): void {
    if (hasInodeOf(old, seen) && beginsAs(old, seen)) {
      this.#options.warn(
        `${seen.path} was truncated, to fewer bytes than were delivered: it begins again, as a new file`,
      );
    }
    this.#update({ ...old, device: 0, inode: NO_INODE });
  }
}

function placeOf(seen: SeenFile): Pick<Entry, 'path' | 'device' | 'inode' | 'packed'> {
  const { path, device, inode } = seen;
  return { path, device, inode, ...(isPacked(seen) && { packed: true }) };
}

function headOf({ head }: SeenFile): Pick<Entry, 'head' | 'headBytes'> {
  const headBytes = Math.min(head.length, HEAD_BYTES);
  return { head: hashHead(head, headBytes), headBytes };
}

function isShorter(entry: Entry, seen: SeenFile): boolean {
  return seen.size !== undefined && seen.size < entry.offset;
}

/** SHA-256 in hex of the file's first bytes as they lie on disk; undefined when it has fewer, or is another one by now. */
async function hashRaw(seen: SeenFile, length: number): Promise<string | undefined> {
  try {
    const file = await open(seen.path);
    try {
      if ((await file.stat()).ino !== seen.inode) return undefined;
      const bytes = await readAt(file, 0, length);
      return bytes.length < length ? undefined : hashHead(bytes, length);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
