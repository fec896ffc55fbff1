import type { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { Appended, FoundLog, LinePiece, LineRange, LineStore } from '../model/line-store.ts';
import { openToRead, openToWrite } from '../repo/line-store/database.ts';
import { createLineReader } from '../repo/line-store/line-reader.ts';
import { LineWriter } from '../repo/line-store/line-writer.ts';
import { createChannel, HandedOver, type Handlers } from '../runtime/channel.ts';
import { answerSnapshots } from '../runtime/snapshot.ts';

// A thread of the line store, put together. Started by runtime/thread.ts with LineStoreThreadData.

/** What a thread of the line store is started with. */
export interface LineStoreThreadData {
  readonly path: string;
  /** A thread that stores lines, or one that reads them. */
  readonly role: 'writer' | 'reader';
  readonly maxLineBytes: number;
}

/** The calls of the thread that stores. Each opens the database, where it is not open. */
export interface LineWriterCalls {
  append(body: Uint8Array<ArrayBuffer>): Appended;
  /** Rejects when the database cannot be opened. */
  check(): void;
  /** Waits for what was begun, and closes the database. */
  close(): void;
}

/** The calls of the thread that reads. */
export interface LineReaderCalls {
  find(name: Parameters<LineStore['find']>[0]): FoundLog | undefined;
  read(range: LineRange): LinePiece;
  list(after: FoundLog | undefined): readonly FoundLog[];
  check(): void;
  close(): void;
}

/** A database that is opened when it is needed, and again after a failure to open it. */
function keepOpen<T>(open: () => DatabaseSync, use: (database: DatabaseSync) => T) {
  let opened: { readonly database: DatabaseSync; readonly used: T } | undefined;
  return {
    get: (): T => {
      if (opened === undefined) {
        const database = open();
        opened = { database, used: use(database) };
      }
      return opened.used;
    },
    peek: () => opened?.used,
    close: () => {
      opened?.database.close();
      opened = undefined;
    },
  };
}

function serveWriter({ path, maxLineBytes }: LineStoreThreadData): Handlers<LineWriterCalls> {
  const writer = keepOpen(
    () => openToWrite(path),
    (database) => new LineWriter(database, { maxLineBytes }),
  );
  return {
    append: async (body) => {
      try {
        return await writer.get().append(body);
      } catch (error) {
        return { kind: 'unavailable', reason: error instanceof Error ? error.message : String(error) };
      }
    },
    check: async () => void writer.get(),
    close: async () => {
      await writer.peek()?.idle();
      writer.close();
    },
  };
}

function serveReader({ path }: LineStoreThreadData): Handlers<LineReaderCalls> {
  const reader = keepOpen(() => openToRead(path), createLineReader);
  return {
    find: async (name) => reader.get().find(name),
    list: async (after) => reader.get().list(after),
    read: async (range) => {
      const piece = reader.get().read(range);
      return new HandedOver(piece, [piece.bytes.buffer]);
    },
    check: async () => reader.get().check(),
    close: async () => reader.close(),
  };
}

if (parentPort === null) throw new Error('line-store-worker must be started as a worker thread');
answerSnapshots();
const data = workerData as LineStoreThreadData;
const channel = createChannel<object>(parentPort);
if (data.role === 'writer') channel.answer<LineWriterCalls>(serveWriter(data));
else channel.answer<LineReaderCalls>(serveReader(data));
