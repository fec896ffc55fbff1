import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/*
 * The database of the line store.
 *
 *   files   a row a log: its names, how many lines it has, and its highest number
 *   lines   (file_id, line) → content; the key is the table (WITHOUT ROWID), so a log is read in one go
 *
 * In WAL mode readers, of any process, see the last commit and block no writer. With synchronous=FULL a commit is on disk when it returns.
 */

/** `LGFL`. A file with another one is not ours. */
const APPLICATION_ID = 0x4c47464c;
const VERSION = 1;
const FILE_MODE = 0o640;

const SCHEMA = `
  CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    host TEXT NOT NULL, file TEXT NOT NULL, generation TEXT NOT NULL,
    -- The id with a minus: an index has the newest generation first.
    newest INTEGER NOT NULL,
    lines INTEGER NOT NULL, last INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX files_by_name ON files (host, file, generation);
  CREATE UNIQUE INDEX files_in_order ON files (host, file, newest);
  CREATE TABLE lines (
    file_id INTEGER NOT NULL, line INTEGER NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (file_id, line)
  ) WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${VERSION};
`;

const PAGE_BYTES = 8192;
const CACHE_KIB = 32 * 1024;
/** Of the WAL, before its pages are written to the database, inside the commit that passes it. */
const CHECKPOINT_PAGES = (16 * 1024 * 1024) / PAGE_BYTES;
/** The WAL is cut to this after a checkpoint. */
const WAL_BYTES = 64 * 1024 * 1024;
/** How long to wait for another program that locks the database, such as the sqlite3 shell. Milliseconds. */
const BUSY_MS = 2_000;

/** Opens the database to write, and makes it where there is none. Throws with what to do. */
export function openToWrite(path: string): DatabaseSync {
  return open(path, {}, (database) => {
    database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL`);
    database.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA journal_size_limit = ${WAL_BYTES}`);
    if (isEmpty(database)) database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`);
  });
}

/** Opens the database to read, beside any writer. Throws with what to do. */
export function openToRead(path: string): DatabaseSync {
  return open(path, { readOnly: true }, () => undefined);
}

function open(
  path: string,
  options: { readonly readOnly?: boolean },
  prepare: (database: DatabaseSync) => void,
): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    // SQLite would let everybody read it.
    if (options.readOnly !== true) closeSync(openSync(path, 'a', FILE_MODE));
    database = new DatabaseSync(path, { ...options, timeout: BUSY_MS });
    database.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
    // Before anything is changed.
    if (!isEmpty(database)) checkIsOurs(database);
    prepare(database);
    checkIsOurs(database);
    // Reads the first page of each table.
    database.exec('SELECT id FROM files LIMIT 1; SELECT line FROM lines LIMIT 1');
    return database;
  } catch (error) {
    database?.close();
    throw new Error(`cannot open the line store path=${path}: ${describeFailure(error)}${adviceOf(error)}`, {
      cause: error,
    });
  }
}

function isEmpty(database: DatabaseSync): boolean {
  return database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
}

function checkIsOurs(database: DatabaseSync): void {
  if (isEmpty(database)) throw new Error('it is empty; a writer makes its tables');
  const { application_id: application } = database.prepare('PRAGMA application_id').get() ?? {};
  if (application !== APPLICATION_ID) throw new Error('it is a database of another program; choose another file');
  const { user_version: version } = database.prepare('PRAGMA user_version').get() ?? {};
  if (version !== VERSION) throw new Error(`it has version ${version}, and this logforge reads version ${VERSION}`);
}

// sqlite.org/rescode.html
const BUSY = 5;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

function codeOf(error: unknown): number | undefined {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
  // The lowest byte; the others say more of the place.
  return typeof code === 'number' ? code & 0xff : undefined;
}

/** For messages: what SQLite says, and what that is on a disk. */
export function describeFailure(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  if (code === FULL) return `the disk is full (${message})`;
  if (code === CORRUPT || code === NOTADB) return `the database is damaged (${message})`;
  if (code === BUSY) return `another program has locked the database (${message})`;
  return message;
}

function adviceOf(error: unknown): string {
  const code = codeOf(error);
  if (code === CORRUPT || code === NOTADB)
    return '; move it and the files -wal and -shm beside it away, start again, and let the forwarders send their files again; `sqlite3 FILE .recover` reads what can be read';
  if (code === CANTOPEN)
    return '; the file, or its folder, is missing or may not be used; a reader needs a database that a writer has made';
  return '';
}
