import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../support/random.ts';

/*
 * What a disk may hold after a crash, as crash-consistency testing has it (ALICE, CrashMonkey).
 *
 * A file is pages of 4 KiB. A page is written back as a whole and reaches the disk in sectors of 512 bytes. Of each sector, each
 * length and each name, all versions since the last sync that covers it are kept. A power cut takes any of them:
 *
 *   sectors   each on its own, so writes are lost, kept in part and reordered, and a page is torn
 *   length    on its own: the file may be longer than its data (zeros) or shorter
 *   names     each on its own: created or not, deleted or not, whatever became of the content. A folder without its name
 *             takes along everything in it
 *
 * A sync that has succeeded leaves the version that was there when it began, and later ones. After a sync that failed, the
 * pages are clean, and nobody knows what is on the disk: a second sync says that all is well and writes nothing. The names in a
 * folder are different: a file system that cannot write them writes nothing any more, or writes them at the next sync.
 */
const PAGE = 4096;
const SECTOR = 512;
const ZEROS = Buffer.alloc(PAGE);

/** What may be on the disk, oldest first. The last version is what a reader sees now. */
class Versions<T> {
  list: { readonly value: T }[];
  isDirty = false;
  /** The newest version that a running sync writes. */
  #inSync: { readonly value: T } | undefined;

  constructor(value: T) {
    this.list = [{ value }];
  }

  get now(): T {
    return (this.list.at(-1) as { readonly value: T }).value;
  }

  push(value: T): void {
    this.list.push({ value });
    this.isDirty = true;
  }

  /** Undefined when no sync needs to write it. Otherwise what to call when the sync has ended. */
  beginSync(): ((isDone: boolean) => void) | undefined {
    // What another sync is writing must be waited for.
    if (!this.isDirty && this.#inSync === undefined) return undefined;
    const written = this.list.at(-1) as { readonly value: T };
    this.isDirty = false;
    this.#inSync = written;
    return (isDone) => {
      if (this.#inSync === written) this.#inSync = undefined;
      const at = this.list.indexOf(written);
      if (isDone && at > 0) this.list.splice(0, at);
    };
  }

  /** The process is gone, and its syncs with it. The kernel still has what they did not write. */
  /** The sync failed, and the next one tries again. */
  stillDirty(): void {
    this.isDirty = true;
  }

  forgetSync(): void {
    if (this.#inSync !== undefined) this.isDirty = true;
    this.#inSync = undefined;
  }

  pick(random: Random, chance: number): T {
    if (this.list.length === 1 || random.chance(chance)) return this.now;
    return random.pick(this.list).value;
  }
}

type Ended = (isDone: boolean) => void;

function beginAll(all: Iterable<Versions<unknown>>): Ended {
  const ended = Array.from(all, (versions) => versions.beginSync()).filter((end) => end !== undefined);
  return (isDone) => {
    for (const end of ended) end(isDone);
  };
}

export class CrashFile {
  readonly kind = 'file';
  readonly #pages = new Map<number, Versions<Buffer>>();
  readonly #size = new Versions(0);
  /** Syncs that failed. Each descriptor that was open then fails its next sync too. */
  failures = 0;

  get size(): number {
    return this.#size.now;
  }

  write(bytes: Buffer, position: number): void {
    for (let done = 0; done < bytes.length; ) {
      const at = position + done;
      const offset = at % PAGE;
      const part = bytes.subarray(done, done + PAGE - offset);
      this.#change(Math.floor(at / PAGE), (page) => page.set(part, offset), part);
      done += part.length;
    }
    const end = position + bytes.length;
    if (bytes.length > 0 && end > this.size) this.#size.push(end);
    // The last page, written again, takes its length along.
    else if (end === this.size && this.#size.list.length > 1) this.#size.isDirty = true;
  }

  truncate(length: number): void {
    if (length === this.size) return;
    const first = Math.floor(length / PAGE);
    for (const number of this.#pages.keys()) {
      if (number >= first) this.#change(number, (page) => page.fill(0, number === first ? length % PAGE : 0));
    }
    this.#size.push(length);
  }

  beginSync(): Ended {
    return beginAll([...this.#pages.values(), this.#size]);
  }

  forgetSyncs(): void {
    for (const versions of [...this.#pages.values(), this.#size]) versions.forgetSync();
  }

  content(): Buffer {
    const content = Buffer.alloc(this.size);
    for (const [number, page] of this.#pages) page.now.copy(content, number * PAGE);
    return content;
  }

  /** `chance`: that the newest version of a sector is on the disk in any case. */
  afterPowerCut(random: Random, chance: number): Buffer {
    const content = Buffer.alloc(this.#size.pick(random, chance));
    for (const [number, page] of this.#pages) {
      const isOne = page.list.length === 1;
      for (let at = 0; at < PAGE; at += SECTOR) {
        const sector = isOne ? page.now : page.pick(random, chance);
        sector.copy(content, number * PAGE + at, at, at + SECTOR);
      }
    }
    return content;
  }

  #change(number: number, change: (page: Buffer) => void, written?: Buffer): void {
    const page = this.#pages.get(number) ?? new Versions<Buffer>(ZEROS);
    this.#pages.set(number, page);
    const isZeros = page.now === ZEROS && (written === undefined || written.equals(ZEROS.subarray(0, written.length)));
    if (isZeros) return;
    const next = Buffer.from(page.now);
    change(next);
    page.push(next);
  }

  static holding(content: Buffer): CrashFile {
    const file = new CrashFile();
    file.write(content, 0);
    file.beginSync()(true);
    return file;
  }
}

export type CrashNode = CrashFile | CrashFolder;

export class CrashFolder {
  readonly kind = 'folder';
  readonly #names = new Map<string, Versions<CrashNode | undefined>>();

  get(name: string): CrashNode | undefined {
    return this.#names.get(name)?.now;
  }

  set(name: string, node: CrashNode | undefined): void {
    const versions = this.#names.get(name) ?? new Versions<CrashNode | undefined>(undefined);
    this.#names.set(name, versions);
    versions.push(node);
  }

  beginSync(): Ended {
    const all = [...this.#names.values()];
    const ended = beginAll(all);
    return (isDone) => {
      ended(isDone);
      if (!isDone) for (const versions of all) versions.stillDirty();
    };
  }

  forgetSyncs(): void {
    for (const versions of this.#names.values()) {
      versions.forgetSync();
      for (const { value } of versions.list) value?.forgetSyncs();
    }
  }

  /** What there is now, or what a power cut leaves of it when `pick` chooses. */
  *children(
    pick: (versions: Versions<CrashNode | undefined>) => CrashNode | undefined,
  ): Generator<[string, CrashNode]> {
    for (const [name, versions] of this.#names) {
      const node = pick(versions);
      if (node !== undefined) yield [name, node];
    }
  }
}

/** The process died and the machine goes on: everything written is there. The disk is the same, its files go to `path`. */
export function copyLive(folder: CrashFolder, path: string): void {
  fs.mkdirSync(path, { recursive: true });
  for (const [name, node] of folder.children((versions) => versions.now)) {
    const at = join(path, name);
    if (node.kind === 'folder') copyLive(node, at);
    else fs.writeFileSync(at, node.content());
  }
}

/** How much of what was not synced is on the disk: the chance that the newest version of each is. */
export interface Survival {
  readonly names: number;
  readonly data: number;
}

/** A power cut. Writes what is left to `path`, and gives the disk that the machine finds when its power is back. */
export function cutPower(folder: CrashFolder, path: string, random: Random, survival: Survival): CrashFolder {
  fs.mkdirSync(path, { recursive: true });
  const left = new CrashFolder();
  for (const [name, node] of folder.children((versions) => versions.pick(random, survival.names))) {
    const at = join(path, name);
    if (node.kind === 'folder') {
      left.set(name, cutPower(node, at, random, survival));
      continue;
    }
    const content = node.afterPowerCut(random, survival.data);
    fs.writeFileSync(at, content);
    left.set(name, CrashFile.holding(content));
  }
  left.beginSync()(true);
  return left;
}
