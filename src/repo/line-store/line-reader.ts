import type { DatabaseSync } from 'node:sqlite';
import {
  type FoundLog,
  LISTED_LOGS,
  type LinePiece,
  type LineRange,
  type LineStore,
  PIECE_BYTES,
} from '../../model/line-store.ts';

/** Reads of the line store. Each is short: a reader that is slow keeps no snapshot, so that the WAL can begin again. */
export function createLineReader(database: DatabaseSync) {
  const statements = prepare(database);
  return {
    find({ host, file, generation }: Parameters<LineStore['find']>[0]): FoundLog | undefined {
      const row =
        generation === undefined ? statements.findNewest.get(host, file) : statements.find.get(host, file, generation);
      return row && toFoundLog(row);
    },

    list(after: FoundLog | undefined): readonly FoundLog[] {
      const rows =
        after === undefined
          ? statements.listFirst.all(LISTED_LOGS)
          : statements.list.all(after.host, after.file, -after.id, LISTED_LOGS);
      return rows.map(toFoundLog);
    },

    read({ id, from, to }: LineRange): LinePiece {
      let text = '';
      let lines = 0;
      let next = from;
      let isCut = false;
      for (const { line, content } of statements.read.iterate(id, from, to)) {
        text += `${content}\n`;
        lines++;
        next = Number(line) + 1;
        isCut = text.length >= PIECE_BYTES && next < to;
        if (isCut) break;
      }
      if (!isCut) next = to;
      return {
        bytes: new Uint8Array(Buffer.from(text)),
        lines,
        missing: next - from - lines,
        next: isCut ? next : undefined,
      };
    },

    check(): void {
      statements.listFirst.all(1);
    },
  };
}

const COLUMNS = 'id, host, file, generation, lines, last';

function prepare(database: DatabaseSync) {
  return {
    find: database.prepare(`SELECT ${COLUMNS} FROM files WHERE host = ? AND file = ? AND generation = ?`),
    findNewest: database.prepare(`SELECT ${COLUMNS} FROM files WHERE host = ? AND file = ? ORDER BY newest LIMIT 1`),
    listFirst: database.prepare(`SELECT ${COLUMNS} FROM files ORDER BY host, file, newest LIMIT ?`),
    list: database.prepare(
      `SELECT ${COLUMNS} FROM files WHERE (host, file, newest) > (?, ?, ?) ORDER BY host, file, newest LIMIT ?`,
    ),
    read: database.prepare(
      'SELECT line, content FROM lines WHERE file_id = ? AND line >= ? AND line < ? ORDER BY line',
    ),
  };
}

function toFoundLog(row: Record<string, unknown>): FoundLog {
  const { id, host, file, generation, lines, last } = row;
  return {
    id: Number(id),
    host: String(host),
    file: String(file),
    generation: String(generation),
    lines: Number(lines),
    last: Number(last),
  };
}
