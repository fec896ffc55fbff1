import { type AppendFiles, FileChangedError } from './append-files.ts';
import type { CompressedHourFile, DataFile } from './data-files.ts';
import { type CountedLines, encodeFrames } from './hour-frames.ts';
import type { FileNote } from './journal-meta.ts';
import type { Append } from './pending.ts';
import type { CommittedState } from './state.ts';
import type { UnsyncedFiles } from './unsynced-files.ts';
import type { WaitingLines } from './waiting-lines.ts';

/** What a commit does to one file. */
export interface FilePlan {
  readonly file: DataFile;
  /** Written at `position`; nothing when the lines only go into the journal. */
  readonly buffers: readonly Buffer[];
  readonly position: number;
  /** Bytes of `buffers`. */
  readonly bytes: number;
  /** The file in the journal entry, and the bytes of it that the entry carries. */
  readonly note: FileNote;
  readonly inline: readonly Buffer[];
  /** Lines that are committed in the journal and wait to become a frame. */
  readonly waiting: readonly CountedLines[];
}

/**
 * Plans a commit. A plain file gets its lines as they are, and the journal entry has them too when the commit `isSmall` and `durable`. A
 * compressed hour gets a frame of its own, compressed beside the event loop, with the lines that waited; the lines of a small commit wait.
 */
export async function planCommit(
  appends: ReadonlyMap<DataFile, Append>,
  context: {
    readonly state: CommittedState;
    readonly waiting: WaitingLines;
    readonly isSmall: boolean;
    readonly durable: boolean;
  },
): Promise<ReadonlyMap<DataFile, FilePlan>> {
  const { state, waiting, isSmall, durable } = context;
  const plans: (FilePlan | Promise<FilePlan>)[] = [];
  for (const [file, append] of appends) {
    const position = state.length(file);
    if (position === undefined) throw new Error(`the committed length of file=${file.path} is not known`);
    if (file.kind !== 'compressed hour')
      plans.push(planPlain({ file, append, position, isInline: isSmall && durable }));
    else if (isSmall) plans.push(planWaiting({ file, append, position, state }));
    else plans.push(planFrames({ file, append, position, state, waiting }));
  }
  const planned = new Map<DataFile, FilePlan>();
  for (const plan of plans) {
    const done = plan instanceof Promise ? await plan : plan;
    planned.set(done.file, done);
  }
  return planned;
}

interface Place<File extends DataFile> {
  readonly file: File;
  readonly append: Append;
  readonly position: number;
}

function planPlain({ file, append, position, isInline }: Place<DataFile> & { readonly isInline: boolean }): FilePlan {
  const { buffers, bytes } = append;
  const note: FileNote = [file, position + bytes, isInline ? bytes : 0];
  return { file, buffers, position, bytes, note, inline: isInline ? buffers : [], waiting: [] };
}

function planWaiting({
  file,
  append,
  position,
  state,
}: Place<CompressedHourFile> & { readonly state: CommittedState }): FilePlan {
  const { framed, logical } = state.linesOf(file);
  const note: FileNote = [file, position, append.bytes, { framed, logical: logical + append.bytes }];
  return { file, buffers: [], position, bytes: 0, note, inline: append.buffers, waiting: countedLines(append) };
}

async function planFrames({
  file,
  append,
  position,
  state,
  waiting,
}: Place<CompressedHourFile> & { readonly state: CommittedState; readonly waiting: WaitingLines }): Promise<FilePlan> {
  const { framed } = state.linesOf(file);
  const pieces = [...waiting.piecesOf(file), ...countedLines(append)];
  const { buffers, bytes, lines } = await encodeFrames(pieces, framed);
  const end = framed + lines;
  const note: FileNote = [file, position + bytes, 0, { framed: end, logical: end }];
  return { file, buffers, position, bytes, note, inline: [], waiting: [] };
}

function countedLines({ buffers, counts }: Append): CountedLines[] {
  return buffers.map((lines, i) => ({ lines, records: counts[i] ?? 0 }));
}

/**
 * Between the last sync and the answer: what is answered must stand where its readers look for it. FileChangedError when it does not.
 */
export function checkInPlace(
  plans: ReadonlyMap<DataFile, FilePlan>,
  { data, unsynced }: { readonly data: AppendFiles; readonly unsynced: UnsyncedFiles },
): void {
  for (const { file, position, bytes } of plans.values()) {
    // A start would take the frames before these for synced.
    if (bytes > 0 && file.kind === 'compressed hour' && unsynced.mayHaveLost(file))
      throw new FileChangedError(`a sync of the data file failed while it was written file=${file.path}`);
    if (data.holds(file, position + bytes)) continue;
    throw new FileChangedError(`another program changed the data file while it was written file=${file.path}`);
  }
}
