import { dirname } from 'node:path';
import { type FileSystem, writeFully } from '../disk/file-system.ts';
import { makeFolder } from '../disk/folders.ts';
import type { DataFile } from './data-files.ts';
import { logicalLength } from './journal-meta.ts';
import type { Entry } from './journal-reader.ts';

/** Inline data of the journal, and where it belongs in its data file; of a compressed hour: in its plain lines. */
export interface InlineWrite {
  readonly start: number;
  readonly end: number;
  readonly bytes: Buffer;
}

/** The inline data of the entries, by file and in order of writing. */
export function inlineWrites(entries: readonly Entry[]): Map<DataFile, InlineWrite[]> {
  const writes = new Map<DataFile, InlineWrite[]>();
  for (const { meta, data } of entries) {
    let at = 0;
    for (const note of meta.files ?? []) {
      const [file, , inline] = note;
      const length = logicalLength(note);
      const ofFile = writes.get(file)?.filter((write) => write.end <= length - inline) ?? [];
      if (inline > 0) {
        ofFile.push({ start: length - inline, end: length, bytes: data.subarray(at, at + inline) });
        at += inline;
      }
      writes.set(file, ofFile);
    }
  }
  return writes;
}

/**
 * Writes the inline data of a file again. Gives the file's length, 0 when there is no file, and by how many bytes less
 * than in the journal its end is. It is less only when bytes before were lost: then what follows the gap is written at
 * the end of the file if `closesGaps`, and otherwise not.
 */
export async function restore(options: {
  readonly files: FileSystem;
  readonly path: string;
  readonly writes: readonly InlineWrite[];
  readonly committed: number;
  readonly durable: boolean;
  readonly closesGaps?: boolean;
}): Promise<{ readonly size: number; readonly gap: number }> {
  const { files, path, writes, committed, durable, closesGaps = false } = options;
  const found = await files.size(path);
  if (writes.length === 0 || (found === undefined && writes[0]?.start !== 0 && !closesGaps))
    return { size: found ?? 0, gap: 0 };
  await makeFolder(files, dirname(path), durable);
  const fd = await files.open(path);
  let size = found ?? 0;
  let gap = 0;
  try {
    for (const { start, end, bytes } of writes) {
      if (start - gap > size) {
        // The file was shortened by hand, and the caller reports it; or the journal lost what stood between.
        if (!closesGaps) break;
        gap = start - size;
      }
      await writeFully(files, fd, [bytes], start - gap);
      size = Math.max(size, end - gap);
    }
    if (durable && size >= committed - gap) await files.sync(fd);
  } finally {
    await files.close(fd);
  }
  if (durable && found === undefined) await files.syncFolder(dirname(path));
  return { size, gap };
}
