import { diskFileSystem } from '../disk/file-system.ts';
import { isMissing } from '../disk/missing.ts';
import type { StreamHour } from '../model/hour.ts';
import { DataFiles, type DataFolders } from './data-files.ts';
import { readSegments, type Segment } from './journal-reader.ts';
import { liveEntries } from './recovery.ts';
import type { CommittedHour, Repo } from './repo.ts';
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
  for (const { meta } of liveEntries(await readJournal(stateDir, dataFiles))) state.apply(meta);
  const { found } = new SequenceFile({ files: diskFileSystem, logsDir, log: undefined });
  if (state.store !== undefined && found !== undefined && found.store !== state.store)
    throw new Error(`the commit journal in storage.stateDir=${stateDir} belongs to other hour files than ${logsDir}`);

  return {
    async committedHour(at: StreamHour): Promise<CommittedHour | undefined> {
      const file = dataFiles.ofHour(at);
      const size = await diskFileSystem.size(file.path);
      return size === undefined ? undefined : { ...at, path: file.path, bytes: state.length(file) ?? size };
    },
  };
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
