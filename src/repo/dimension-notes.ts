import * as fs from 'node:fs';
import { join } from 'node:path';
import { makeFolderSync } from '../disk/folders.ts';
import { isAbsent } from '../disk/missing.ts';
import { replaceFileSync } from '../disk/replace-file.ts';
import { hourToIso, parseHour } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import type { DimensionNote } from '../model/summary.ts';
import { streamFolder } from './stream-folders.ts';

/*
 * <analyticsDir>/<stream>/.dimensions.json: by which fields the summaries of a stream are counted.
 *
 *   {"countBy":["level","service"],"upTo":"2025-11-22T10:00:00Z"}
 *
 * The hour `upTo` and those before it may still have a summary by other fields. Without `upTo` none has. The file is written before the first
 * summary by new fields, and `upTo` moves only over hours whose summary is on the disk, so a process may be killed at any time.
 */

export interface DimensionNotes {
  /** Undefined where there is none, or one that cannot be read as a note. */
  read(stream: StreamName): Promise<DimensionNote | undefined>;
  /** Blocking, like the summary files that follow. */
  write(stream: StreamName, note: DimensionNote): void;
}

const FILE_MODE = 0o640;

/** `durable`: a note is synced when `write` returns. */
export function createDimensionNotes({
  analyticsDir,
  durable,
}: {
  readonly analyticsDir: string;
  readonly durable: boolean;
}): DimensionNotes {
  const folderOf = (stream: StreamName) => streamFolder(analyticsDir, stream);
  const pathOf = (stream: StreamName) => join(folderOf(stream), '.dimensions.json');
  return {
    async read(stream) {
      const path = pathOf(stream);
      try {
        return toNote(await fs.promises.readFile(path, 'utf8'));
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw new Error(`cannot read the dimensions of the summaries path=${path}`, { cause: error });
      }
    },
    write(stream, { countBy, upTo }) {
      const path = pathOf(stream);
      try {
        makeFolderSync(folderOf(stream), durable);
        const text = JSON.stringify({ countBy, ...(upTo !== undefined && { upTo: hourToIso(upTo) }) });
        replaceFileSync(path, [text], { durable, mode: FILE_MODE });
      } catch (error) {
        throw new Error(`cannot write the dimensions of the summaries path=${path}`, { cause: error });
      }
    },
  };
}

function toNote(text: string): DimensionNote | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { countBy, upTo: iso } = value as Readonly<Record<string, unknown>>;
  if (!Array.isArray(countBy) || !countBy.every((name) => typeof name === 'string')) return undefined;
  if (iso === undefined) return { countBy };
  const upTo = typeof iso === 'string' ? parseHour(iso) : undefined;
  return upTo === undefined ? undefined : { countBy, upTo };
}
