import { existsSync, realpathSync } from 'node:fs';
import { diskFileSystem, type FileSystem } from '../../disk/file-system.ts';
import { GroupCommit, nextTurn } from '../../disk/group-commit.ts';
import { FileInUseError, lockFile } from '../../disk/lock.ts';
import { replaceFileSync } from '../../disk/replace-file.ts';
import { CHECKPOINT_HEADER, formatLine, readCheckpoint, type StoredEntries } from './checkpoint-format.ts';
import type { Entry } from './identity.ts';
import { KnownFiles } from './known-files.ts';

/** The entries of a checkpoint file in memory, and their way to the disk. */
export interface CheckpointFile {
  readonly known: KnownFiles;
  /** Makes the entry as it is then durable, with all others that have changed. Rejects when it cannot be written; it may be tried again. */
  save(id: string): Promise<void>;
  /** The entry has changed in what the next run would find out by itself: it is written with the next that is saved. */
  change(id: string): void;
  close(): Promise<void>;
}

export interface CheckpointFileOptions {
  readonly warn: (message: string) => void;
  readonly now: () => number;
  readonly files?: FileSystem;
}

/** A smaller file is not compacted. */
const MIN_COMPACT_BYTES = 1024 * 1024;
/** Entries in one line. */
const MAX_GROUP = 1_000;
export const FORGET_AFTER_MS = 30 * 24 * 60 * 60 * 1_000;
/** More entries than these, about 150 MB of memory, are forgotten too, those that were not seen for longest first. */
export const MAX_ENTRIES = 200_000;

interface Save {
  readonly id: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Opens a checkpoint file, or makes one, and locks it. Rejects when another run has it, and when it is damaged or not a checkpoint. */
export async function openCheckpointFile(
  name: string,
  { warn, now, files = diskFileSystem }: CheckpointFileOptions,
): Promise<CheckpointFile> {
  const path = existsSync(name) ? realpathSync(name) : name;
  const unlock = lock(path);
  let stored: StoredEntries;
  try {
    stored = await readCheckpoint(path, now());
    if (stored.isTorn)
      warn(`the last line of the checkpoint path=${path} is torn and was left out: a run was killed as it wrote it`);
  } catch (error) {
    unlock();
    throw error;
  }
  const known = new KnownFiles(stored.entries.values());
  const log = new CheckpointLog({ path, known, stored, now, files });
  const changed = new Set<string>();
  const group = new GroupCommit<Save>({ commit, gather: nextTurn, limits: [{ weigh: () => 1, max: () => MAX_GROUP }] });

  async function commit(saves: readonly Save[]): Promise<void> {
    for (const { id } of saves) changed.add(id);
    const ids = [...changed];
    changed.clear();
    try {
      await log.append(ids.flatMap((id) => known.get(id) ?? []));
      for (const { resolve } of saves) resolve();
    } catch (cause) {
      for (const id of ids) changed.add(id);
      const error = new Error(`cannot write the checkpoint path=${path}`, { cause });
      for (const { reject } of saves) reject(error);
    }
  }

  const save = (id: string): Promise<void> => new Promise((resolve, reject) => group.add({ id, resolve, reject }));

  try {
    log.mend();
  } catch (error) {
    unlock();
    throw error;
  }
  return {
    known,
    save,
    change: (id) => void changed.add(id),
    async close() {
      await group.idle();
      try {
        const [id] = changed;
        if (id !== undefined) await save(id);
      } finally {
        await log.close();
        unlock();
      }
    },
  };
}

function lock(path: string): () => void {
  try {
    return lockFile(`${path}.lock`);
  } catch (error) {
    if (!(error instanceof FileInUseError)) throw error;
    throw new Error(`another run uses the checkpoint path=${path}: give each run its own`, { cause: error });
  }
}

interface LogOptions {
  readonly path: string;
  readonly known: KnownFiles;
  readonly stored: StoredEntries;
  readonly now: () => number;
  readonly files: FileSystem;
}

/** The file itself: appended to, and replaced by a compacted one. One call at a time. */
class CheckpointLog {
  readonly #options: LogOptions;
  #fd: number | undefined;
  /** Of the file. */
  #bytes: number;
  /** Of a live entry, when they were last measured. */
  #entryBytes: number;
  /** What the file holds is not known, or not all that was saved: it is to be replaced. */
  #mustRewrite: boolean;
  /** The file may grow to this, however few its live entries are. */
  #patience = MIN_COMPACT_BYTES;

  constructor(options: LogOptions) {
    const { stored, known } = options;
    this.#options = options;
    this.#bytes = stored.bytes;
    this.#entryBytes = stored.liveBytes / Math.max(1, known.size);
    this.#mustRewrite = stored.mustRewrite;
  }

  /** Makes the file one that can be appended to. */
  mend(): void {
    if (this.#mustRewrite) this.#rewrite();
  }

  /** Makes the entries durable. Rejects when it cannot; then all entries are written with the next. */
  async append(entries: readonly Entry[]): Promise<void> {
    const { path, files } = this.#options;
    this.#fd ??= await files.open(path);
    // Of another length it was written to, or deleted, by somebody else.
    if (this.#mustRewrite || files.statusOf(this.#fd).size !== this.#bytes) {
      await this.close();
      this.#rewrite();
      return;
    }
    // What becomes of the file when this fails is not known, and a descriptor whose sync failed is of no use.
    this.#mustRewrite = true;
    for (let left = Buffer.from(formatLine(entries)); left.length > 0; ) {
      const written = await files.write(this.#fd, [left], this.#bytes);
      left = left.subarray(written);
      this.#bytes += written;
    }
    await files.sync(this.#fd);
    this.#mustRewrite = false;
    const { known } = this.#options;
    if (this.#bytes > Math.max(this.#patience, 2 * this.#entryBytes * known.size)) await this.#compact(this.#fd);
  }

  /** What was appended is durable already: a compaction that fails is tried again when the file has doubled. */
  async #compact(fd: number): Promise<void> {
    const { path, files } = this.#options;
    const end = this.#bytes;
    try {
      this.#rewrite();
      await this.close();
    } catch {
      // The new file may have its name, and not have it after a crash.
      this.#mustRewrite = files.statusAt(path)?.ino !== files.statusOf(fd).ino;
      this.#bytes = end;
      this.#patience = 2 * end;
    }
  }

  /** Replaces the file by one of the live entries. */
  #rewrite(): void {
    const { path, known, now } = this.#options;
    forget(known, now());
    this.#mustRewrite = true;
    let bytes = 0;
    const pieces = function* (): Generator<string> {
      for (const piece of linesOf(known)) {
        bytes += Buffer.byteLength(piece);
        yield piece;
      }
    };
    replaceFileSync(path, pieces(), { durable: true, mode: 0o640 });
    this.#mustRewrite = false;
    this.#bytes = bytes;
    this.#entryBytes = bytes / Math.max(1, known.size);
    this.#patience = MIN_COMPACT_BYTES;
  }

  async close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await this.#options.files.close(fd);
  }
}

function* linesOf(known: KnownFiles): Generator<string> {
  yield `${JSON.stringify(CHECKPOINT_HEADER)}\n`;
  for (const entry of known.values()) yield formatLine([entry]);
}

/** Forgets what was not seen for long, and the oldest of too many. */
export function forget(known: KnownFiles, now: number): void {
  for (const { id, seen } of [...known.values()]) if (now - seen > FORGET_AFTER_MS) known.delete(id);
  if (known.size <= MAX_ENTRIES) return;
  const oldest = [...known.values()].sort((a, b) => a.seen - b.seen);
  for (const { id } of oldest.slice(0, known.size - MAX_ENTRIES)) known.delete(id);
}
