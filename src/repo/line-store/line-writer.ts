import type { DatabaseSync } from 'node:sqlite';
import { GroupCommit, nextTurn } from '../../disk/group-commit.ts';
import type { Appended, LogName } from '../../model/line-store.ts';
import { describeFailure } from './database.ts';
import { BatchFault, readBatch, type SentLine } from './read-batch.ts';

/** Bodies in one commit, together. */
const MAX_GROUP_BYTES = 32 * 1024 * 1024;
/** Logs whose state is kept. At this many all are forgotten, and read again when they are needed. */
const MAX_KNOWN_LOGS = 10_000;

interface Entry {
  readonly body: Uint8Array;
  readonly settle: (outcome: Appended) => void;
}

/** A row of `files`. */
interface Log {
  readonly id: number;
  lines: number;
  last: number;
}

/** Stores bodies in the order in which they come. Those that come during a commit share the next one. */
export class LineWriter {
  readonly #database: DatabaseSync;
  readonly #maxLineBytes: number;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #logs = new Map<string, Log>();
  /** Logs of which this commit has changed the counts. */
  readonly #changed = new Set<Log>();
  /** Of a new log; undefined: it is read first. */
  #nextId: number | undefined;
  readonly #commits = new GroupCommit<Entry>({
    commit: async (group) => this.#commit(group),
    gather: () => nextTurn(),
    limits: [{ weigh: ({ body }) => body.length, max: () => MAX_GROUP_BYTES }],
  });

  constructor(database: DatabaseSync, { maxLineBytes }: { readonly maxLineBytes: number }) {
    this.#database = database;
    this.#maxLineBytes = maxLineBytes;
    this.#statements = prepare(database);
  }

  append(body: Uint8Array): Promise<Appended> {
    return new Promise((settle) => this.#commits.add({ body, settle }));
  }

  /** Resolves when nothing waits or runs. */
  idle(): Promise<void> {
    return this.#commits.idle();
  }

  #commit(group: readonly Entry[]): void {
    const started = performance.now();
    const outcomes = this.#store(group);
    const commitSeconds = (performance.now() - started) / 1_000;
    const first = outcomes.findIndex(({ kind }) => kind === 'stored');
    for (const [at, outcome] of outcomes.entries())
      group[at]?.settle(at === first && outcome.kind === 'stored' ? { ...outcome, commitSeconds } : outcome);
  }

  /** All bodies of the group that are right, in one transaction. */
  #store(group: readonly Entry[]): readonly Appended[] {
    try {
      // Of a commit that could not be rolled back.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      this.#database.exec('BEGIN IMMEDIATE');
      const outcomes = group.map(({ body }) => this.#insertBody(body));
      for (const { id, lines, last } of this.#changed) this.#statements.count.run(lines, last, id);
      this.#database.exec('COMMIT');
      this.#changed.clear();
      if (this.#logs.size >= MAX_KNOWN_LOGS) this.#logs.clear();
      return outcomes;
    } catch (error) {
      this.#rollBack();
      const reason = describeFailure(error);
      return group.map(() => ({ kind: 'unavailable', reason }));
    }
  }

  /** Does not throw: where it fails, the next commit tries again. */
  #rollBack(): void {
    this.#changed.clear();
    this.#logs.clear();
    this.#nextId = undefined;
    try {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
    } catch {}
  }

  /** Read whole before its first line is inserted, so a wrong line leaves nothing of its body. */
  #insertBody(body: Uint8Array): Appended {
    try {
      const lines = readBatch(body, { maxLineBytes: this.#maxLineBytes });
      this.#insert(lines);
      return { kind: 'stored', lines: lines.length };
    } catch (error) {
      if (!(error instanceof BatchFault)) throw error;
      const { message: reason, index, field } = error;
      return index === undefined ? { kind: 'malformed', reason } : { kind: 'invalid', index, field, reason };
    }
  }

  #insert(lines: readonly SentLine[]): void {
    const { insert, insertNew, overwrite } = this.#statements;
    let before: SentLine | undefined;
    let log: Log | undefined;
    for (const line of lines) {
      if (log === undefined || before === undefined || !isSameLog(before, line)) log = this.#logOf(line);
      before = line;
      const { number, content } = line;
      if (number > log.last) {
        // The usual case: a log grows at its end, where no line is.
        insert.run(log.id, number, content);
        log.last = number;
        log.lines++;
      } else if (insertNew.run(log.id, number, content).changes === 1) {
        log.lines++;
      } else {
        overwrite.run(content, log.id, number, content);
        continue;
      }
      this.#changed.add(log);
    }
  }

  #logOf({ host, file, generation }: LogName): Log {
    const key = `${host.length} ${file.length} ${host}${file}${generation}`;
    const known = this.#logs.get(key);
    if (known !== undefined) return known;
    const row = this.#statements.find.get(host, file, generation);
    const log = row === undefined ? this.#create({ host, file, generation }) : toLog(row);
    this.#logs.set(key, log);
    return log;
  }

  #create({ host, file, generation }: LogName): Log {
    const { create, lastId } = this.#statements;
    const id = this.#nextId ?? Number(lastId.get()?.id ?? 0) + 1;
    create.run(id, host, file, generation, -id);
    this.#nextId = id + 1;
    return { id, lines: 0, last: -1 };
  }
}

function prepare(database: DatabaseSync) {
  return {
    find: database.prepare('SELECT id, lines, last FROM files WHERE host = ? AND file = ? AND generation = ?'),
    create: database.prepare(
      'INSERT INTO files (id, host, file, generation, newest, lines, last) VALUES (?, ?, ?, ?, ?, 0, -1)',
    ),
    lastId: database.prepare('SELECT max(id) AS id FROM files'),
    count: database.prepare('UPDATE files SET lines = ?, last = ? WHERE id = ?'),
    insert: database.prepare('INSERT INTO lines (file_id, line, content) VALUES (?, ?, ?)'),
    insertNew: database.prepare('INSERT OR IGNORE INTO lines (file_id, line, content) VALUES (?, ?, ?)'),
    // The same content again writes nothing.
    overwrite: database.prepare('UPDATE lines SET content = ? WHERE file_id = ? AND line = ? AND content <> ?'),
  };
}

function isSameLog(a: LogName, b: LogName): boolean {
  return a.file === b.file && a.host === b.host && a.generation === b.generation;
}

function toLog({ id, lines, last }: Record<string, unknown>): Log {
  return { id: Number(id), lines: Number(lines), last: Number(last) };
}
