import { realpathSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import { diskFileSystem } from '../disk/file-system.ts';
import { makeFolder } from '../disk/folders.ts';
import { FileInUseError, lockFile } from '../disk/lock.ts';
import type { LineStore } from '../model/line-store.ts';
import { HandedOver } from '../runtime/channel.ts';
import type { Lifecycle } from '../runtime/lifecycle.ts';
import { createThread, type Thread } from '../runtime/thread.ts';
import type { LineReaderCalls, LineStoreThreadData, LineWriterCalls } from './line-store-worker.ts';

/**
 * Opens the line store, to write unless `readOnly`. One that writes holds the lock of its file. Two threads do the work, one that stores and
 * one that reads, so that no commit waits for a download. Rejects with what to do.
 */
export async function startLineStore(options: {
  readonly store: Pick<Config['store'], 'path' | 'maxLineBytes'>;
  readonly readOnly: boolean;
  readonly lifecycle: Lifecycle;
}): Promise<LineStore> {
  const { store, readOnly, lifecycle } = options;
  const path = resolve(store.path);
  const { maxLineBytes } = store;
  const { reader, check } = startReader({ path, maxLineBytes });
  if (readOnly) {
    lifecycle.started('line store reader', reader.stop);
    await check();
    return { ...reader.store, check, append: async () => READ_ONLY };
  }
  await makeFolder(diskFileSystem, dirname(path), true);
  const release = lockDatabase(realPath(path));
  lifecycle.started('line store lock', async () => release());
  const writer = startWriter({ path, maxLineBytes });
  // Stopped after the reader: the last that closes the database makes the WAL a part of it.
  lifecycle.started('line store writer', writer.stop);
  lifecycle.started('line store reader', reader.stop);
  const checkBoth = () => writer.check().then(check);
  await checkBoth();
  return { ...reader.store, check: checkBoth, append: writer.append };
}

const READ_ONLY = { kind: 'unavailable', reason: 'the line store is open to read only' } as const;

type ThreadOptions = Omit<LineStoreThreadData, 'role'>;

function start<Calls>(workerData: LineStoreThreadData): Thread<Calls> {
  // The same ending as this file: .ts from source, .js when built.
  const entry = new URL(`./line-store-worker${extname(import.meta.url)}`, import.meta.url);
  return createThread<Calls>({ entry, workerData, name: `line-store-${workerData.role}` });
}

function startReader(options: ThreadOptions) {
  const { remote, stop } = start<LineReaderCalls>({ ...options, role: 'reader' });
  const store: Pick<LineStore, 'find' | 'read' | 'list'> = {
    find: (name) => remote.find(name),
    read: (range) => remote.read(range),
    list: (after) => remote.list(after),
  };
  const close = () => remote.close().finally(stop);
  return { reader: { store, stop: close }, check: () => remote.check() };
}

function startWriter(options: ThreadOptions) {
  const { remote, stop } = start<LineWriterCalls>({ ...options, role: 'writer' });
  const append: LineStore['append'] = (body) =>
    // A thread that dies answers nothing of what it had.
    remote
      .append(new HandedOver(body, [body.buffer]))
      .catch((error: unknown) => ({ kind: 'unavailable', reason: String(error) }) as const);
  return { append, check: () => remote.check(), stop: () => remote.close().finally(stop) };
}

function lockDatabase(path: string): () => void {
  try {
    return lockFile(`${path}.lock`);
  } catch (error) {
    throw error instanceof FileInUseError
      ? new Error(`another logforge process owns ${path}`, { cause: error })
      : error;
  }
}

/** Of a file that may not exist yet: one database by two names, as by a symbolic link, has one lock. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return join(realpathSync(dirname(path)), basename(path));
  }
}
