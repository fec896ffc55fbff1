import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { syncPathSync } from './folders.ts';

export interface ReplaceOptions {
  /** Whether the content and the name are synced before the call returns. */
  readonly durable: boolean;
  readonly mode?: number;
}

/**
 * Replaces a file in one step: a reader, or a start after a crash, finds the old content or the new, never a part. The
 * new content goes to `<path>.tmp` first, piece by piece. Blocks the thread. Throws when it fails; the old file is then
 * as it was, and the temporary file is removed.
 *
 * What stands at the temporary name is removed, never written: it may be a link to a file of somebody else.
 */
export function replaceFileSync(
  path: string,
  pieces: Iterable<string>,
  { durable, mode = 0o666 }: ReplaceOptions,
): void {
  const temporary = `${path}.tmp`;
  try {
    fs.rmSync(temporary, { force: true, recursive: true });
    writePieces(temporary, pieces, { durable, mode });
    fs.renameSync(temporary, path);
    if (durable) syncPathSync(dirname(path));
  } catch (error) {
    fs.rmSync(temporary, { force: true, recursive: true });
    throw error;
  }
}

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;

function writePieces(path: string, pieces: Iterable<string>, { durable, mode }: Required<ReplaceOptions>): void {
  const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  try {
    for (const piece of pieces) fs.writeFileSync(fd, piece);
    if (durable) fs.fdatasyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
