import * as fs from 'node:fs';
import { diskFileSystem as files } from '../disk/file-system.ts';
import { isMissing } from '../disk/missing.ts';
import type { StreamHour } from '../model/hour.ts';
import { DataFiles, type DataFolders } from './data-files.ts';
import { type FramesLength, NO_FRAMES } from './frames-file.ts';
import { HourForms } from './hour-forms.ts';
import { decodeTrailer, TRAILER_BYTES } from './hour-frames.ts';
import { liveEntries, readSegments, type Segment } from './journal-reader.ts';
import type { CommittedHour, Repo } from './repo.ts';
import { type InlineWrite, inlineWrites } from './restore.ts';
import { syncedFrames } from './restore-frames.ts';
import { SequenceFile } from './sequence-file.ts';
import { CommittedState } from './state.ts';

/** What is committed in folders that another process may own. It changes nothing, and takes no lock. */
export type ReadStore = Pick<Repo, 'committedHour'>;

/** A running service deletes segments that it has retired; they are then listed again, at most so often. */
const ATTEMPTS = 5;

/**
 * Reads the commit journal: what was committed before this call counts, and nothing later. An hour that the journal does not know, because
 * nothing was stored in it for a while, is committed as long as its file is. Rejects when a later version wrote the journal, and when it
 * belongs to other hour files.
 */
export async function openReadStore(folders: DataFolders & { readonly stateDir: string }): Promise<ReadStore> {
  const { logsDir, stateDir } = folders;
  const dataFiles = new DataFiles(folders);
  const state = new CommittedState();
  const entries = liveEntries(await readJournal(stateDir, dataFiles));
  for (const { meta } of entries) state.apply(meta);
  const { found } = new SequenceFile({ files, logsDir, log: undefined });
  if (state.store !== undefined && found !== undefined && found.store !== state.store)
    throw new Error(`the commit journal in storage.stateDir=${stateDir} belongs to other hour files than ${logsDir}`);

  const writes = inlineWrites(entries);
  const synced = syncedFrames(entries);
  const forms = new HourForms({ files, state, compressionOf: () => 'none', log: undefined });

  /** Undefined where the file does not end a frame there: a power cut has taken what was not synced. */
  function endsAt(path: string, frames: FramesLength): FramesLength | undefined {
    const found = readAt(path, TRAILER_BYTES, frames.length - TRAILER_BYTES);
    const frame = found === undefined ? undefined : decodeTrailer(found);
    return frame !== undefined && frame.offset + frame.lines === frames.lines ? frames : undefined;
  }

  return {
    async committedHour(at: StreamHour): Promise<CommittedHour | undefined> {
      const hour = dataFiles.ofHour(at);
      if (state.removed.has(hour)) return undefined;
      const file = await forms.find(hour);
      const size = file && (await files.size(file.path));
      if (file === undefined || size === undefined) return undefined;
      const { path } = file;
      const length = state.length(file);
      if (file.kind === 'hour') return { ...at, path, bytes: length ?? size };
      if (length === undefined) {
        const frames = await forms.framesIn(path, size);
        return { ...at, path, bytes: frames.lines, frames };
      }
      const { framed, logical } = state.linesOf(file);
      const frames = endsAt(path, { length, lines: framed }) ?? synced.get(file) ?? NO_FRAMES;
      const waiting = linesFrom(frames.lines, writes.get(file) ?? [], logical);
      return { ...at, path, bytes: frames.lines + waiting.length, frames, waiting };
    },
  };
}

/** The lines in the journal from `start` to `end`, or to the first that it does not have. */
function linesFrom(start: number, writes: readonly InlineWrite[], end: number): Buffer {
  const lines: Buffer[] = [];
  let at = start;
  for (const write of writes) {
    if (write.end <= at || write.start > at || write.end > end) continue;
    lines.push(write.bytes.subarray(at - write.start));
    at = write.end;
  }
  return Buffer.concat(lines);
}

function readAt(path: string, length: number, position: number): Buffer | undefined {
  if (position < 0) return undefined;
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, fs.readSync(fd, bytes, 0, length, position));
  } finally {
    fs.closeSync(fd);
  }
}

async function readJournal(stateDir: string, dataFiles: DataFiles): Promise<readonly Segment[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await readSegments(stateDir, dataFiles);
    } catch (error) {
      // No state folder: the files alone.
      if (isMissing(error)) return [];
      if (attempt === ATTEMPTS || !(error instanceof Error && isMissing(error.cause))) throw error;
    }
  }
}
