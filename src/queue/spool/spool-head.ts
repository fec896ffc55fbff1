import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileSystem, writeFully } from '../../disk/file-system.ts';
import { isMissing } from '../../disk/missing.ts';
import type { Log } from '../../log.ts';

/*
 * The head of the spool: the sequence of the first batch that is still needed.
 *
 *   <dir>/head    sequence, decimal, 1 to 15 digits | "\n"
 *
 * It is overwritten after each delivery and not synced. A power cut may leave an older number, or half a one, which
 * reads as 0. Some batches are then sent again, and recognised by their ids where they are stored.
 *
 * A start syncs the number that it begins with. Sequences may begin lower than before, when everything was delivered and the
 * number could not be read. A higher number that a power cut brings back would then pass over new batches.
 */

export interface HeadFile {
  /** The saved sequence; 0 when there is no file, or one that was damaged. */
  read(): Promise<number>;
  /** Makes the number durable that a start begins with, if there is a file. Rejects with the disk's error. */
  begin(sequence: number): Promise<void>;
  /** Saves in the order of the calls. Never rejects: a head that cannot be saved is logged. */
  save(sequence: number): Promise<void>;
}

export function createHeadFile({
  dir,
  files,
  log,
}: {
  readonly dir: string;
  readonly files: FileSystem;
  readonly log: Log;
}): HeadFile {
  const path = join(dir, 'head');
  let saved: Promise<void> = Promise.resolve();
  return {
    async read() {
      try {
        const text = await readFile(path, 'utf8');
        return /^\d{1,15}\n$/.test(text) ? Number(text) : 0;
      } catch (err) {
        if (!isMissing(err)) log.warn('cannot read the head of the spool; batches are sent again', { file: path, err });
        return 0;
      }
    },
    async begin(sequence) {
      if (files.statusAt(path) !== undefined) await overwrite(files, path, { text: `${sequence}\n`, sync: true });
    },
    save(sequence) {
      saved = saved
        .then(() => overwrite(files, path, { text: `${sequence}\n`, sync: false }))
        .catch((err: unknown) => log.warn('cannot write the head of the spool', { file: path, err, fold: 'head' }));
      return saved;
    },
  };
}

/** Cut to its length after the write, not before: a process that dies in between leaves a number. */
async function overwrite(
  files: FileSystem,
  path: string,
  { text, sync }: { readonly text: string; readonly sync: boolean },
): Promise<void> {
  const bytes = Buffer.from(text);
  const fd = await files.open(path);
  try {
    await writeFully(files, fd, [bytes], 0);
    if (files.statusOf(fd).size > bytes.length) await files.truncateOpen(fd, bytes.length);
    if (sync) await files.sync(fd);
  } finally {
    await files.close(fd);
  }
}
