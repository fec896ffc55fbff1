import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type FileSystem, writeFully } from '../../disk/file-system.ts';
import { isMissing } from '../../disk/missing.ts';
import type { Log } from '../../log.ts';

/*
 * The head of the spool: the sequence of the first batch that is still needed.
 *
 *   <dir>/head    sequence, 16 digits | " " | CRC-32 of the digits, 8 hex digits | "\n"
 *
 * Versions before wrote the sequence alone, in 1 to 15 digits, and "\n". That is still read. A part of this form on top of it
 * is no number, or one that begins with the zeros of this form, so it is not higher than the one before.
 *
 * It is overwritten after each delivery and not synced. A power cut may leave an older number, or parts of two, whose
 * checksum is wrong: they read as 0. Some batches are then sent again, and recognised by their ids where they are stored.
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
        return parseHead(await readFile(path, 'latin1'));
      } catch (err) {
        if (!isMissing(err)) log.warn('cannot read the head of the spool; batches are sent again', { file: path, err });
        return 0;
      }
    },
    async begin(sequence) {
      if (files.statusAt(path) !== undefined) await overwrite(files, path, { sequence, sync: true });
    },
    save(sequence) {
      saved = saved
        .then(() => overwrite(files, path, { sequence, sync: false }))
        .catch((err: unknown) => log.warn('cannot write the head of the spool', { file: path, err, fold: 'head' }));
      return saved;
    },
  };
}

const DIGITS = 16;
const FORM = /^(\d{16}) ([0-9a-f]{8})\n$/;
const FORM_BEFORE = /^\d{1,15}\n$/;

/** The content of the head file. */
export function encodeHead(sequence: number): string {
  const digits = String(sequence).padStart(DIGITS, '0');
  return `${digits} ${checksum(digits)}\n`;
}

/** The sequence in it; 0 where it has none, or none that was saved whole. */
export function parseHead(text: string): number {
  const [, digits = '', sum] = FORM.exec(text) ?? [];
  if (sum === checksum(digits)) return Number(digits);
  return FORM_BEFORE.test(text) ? Number(text) : 0;
}

function checksum(digits: string): string {
  return crc32(digits).toString(16).padStart(8, '0');
}

/** Cut to its length after the write, not before: a process that dies in between leaves a number. */
async function overwrite(
  files: FileSystem,
  path: string,
  { sequence, sync }: { readonly sequence: number; readonly sync: boolean },
): Promise<void> {
  const bytes = Buffer.from(encodeHead(sequence));
  const fd = await files.open(path);
  try {
    await writeFully(files, fd, [bytes], 0);
    if (files.statusOf(fd).size > bytes.length) await files.truncateOpen(fd, bytes.length);
    if (sync) await files.sync(fd);
  } finally {
    await files.close(fd);
  }
}
