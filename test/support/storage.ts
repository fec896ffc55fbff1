import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseHour } from '../../src/model/hour.ts';
import { openHour } from '../../src/repo/hour-file.ts';
import { openReadStore, type ReadStore } from '../../src/repo/read-store.ts';
import type { CommittedHour } from '../../src/repo/repo.ts';
import type { Dirs } from './service.ts';

/** Every hour of a stream as `2015-05-17T10` → its plain lines: the bytes of its file; of a compressed one what is committed. */
export async function readHourFiles(dirs: Dirs, stream = ACCESS): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  let store: ReadStore | undefined;
  const folder = folderOf(dirs.logs, stream);
  for (const day of await listDays(folder)) {
    for (const name of await listVisible(join(folder, day))) {
      const match = /^(\d\d)\.log\.json(\.zst)?$/.exec(name);
      if (match === null) throw new Error(`an unexpected file among the hour files: ${join(day, name)}`);
      const hour = `${day}T${match[1]}`;
      if (match[2] === undefined) {
        files.set(hour, await readFile(join(folder, day, name)));
        continue;
      }
      store ??= await openReadStore({ logsDir: dirs.logs, dlqDir: dirs.dlq, stateDir: dirs.state });
      files.set(hour, readCommitted(await store.committedHour({ stream, hour: parseHour(hour) ?? Number.NaN })));
    }
  }
  return files;
}

function readCommitted(hour: CommittedHour | undefined): Buffer {
  const file = hour && openHour(hour);
  if (hour === undefined || file === undefined) return Buffer.alloc(0);
  try {
    const lines = Buffer.alloc(hour.bytes);
    let at = 0;
    while (at < lines.length) at += file.read(lines, at, lines.length - at, at);
    return lines;
  } finally {
    file.close();
  }
}

const ACCESS = 'access';

/** Where the files of a stream lie in a folder of the service: those of access directly, any other's in one of its name. */
export function folderOf(parent: string, stream: string): string {
  return stream === ACCESS ? parent : join(parent, stream);
}

/** The days that a folder of hours has, in order: none when it is missing. The folders of other streams stand beside those of access. */
export async function listDays(folder: string): Promise<string[]> {
  const names = await listVisible(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return [];
  });
  const days = names.filter((name) => !/^[a-z][a-z0-9-]*$/.test(name));
  const strange = days.find((name) => !/^[+-]?\d+-\d\d-\d\d$/.test(name));
  if (strange !== undefined) throw new Error(`an unexpected folder among the days: ${join(folder, strange)}`);
  return days;
}

/** The names in a folder, in order, without the service's own hidden files (its lock). */
export async function listVisible(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.startsWith('.')).sort();
}

/** All stored records, parsed, hour by hour. A file that does not end in a whole line is an error. */
export async function readRecords(dirs: Dirs, stream = ACCESS): Promise<Record<string, unknown>[]> {
  const records: Record<string, unknown>[] = [];
  for (const [hour, bytes] of await readHourFiles(dirs, stream)) {
    for (const line of splitLines(hour, bytes)) records.push(JSON.parse(line) as Record<string, unknown>);
  }
  return records;
}

/** The lines of an hour file, which must end in a newline. */
export function splitLines(name: string, bytes: Buffer): string[] {
  if (bytes.length === 0) return [];
  const text = bytes.toString('utf8');
  if (!text.endsWith('\n')) throw new Error(`hour file ${name} ends in half a line: ${text.slice(-80)}`);
  return text.slice(0, -1).split('\n');
}

export interface StoredSummary {
  readonly hour: string;
  readonly totalRequests: number;
  readonly requestsPerPath: Readonly<Record<string, number>>;
  readonly requestsPerUserAgent: Readonly<Record<string, number>>;
  readonly source: { readonly bytes: number; readonly records: number; readonly skippedLines: number };
}

/** Every summary by its hour, `2015-05-17T10:00:00Z`. */
export async function readSummaries(dirs: Dirs): Promise<Map<string, StoredSummary>> {
  const summaries = new Map<string, StoredSummary>();
  for (const day of await listDays(dirs.analytics)) {
    for (const name of await listVisible(join(dirs.analytics, day))) {
      if (!/^summary_\d\d\.json$/.test(name)) continue;
      const summary = JSON.parse(await readFile(join(dirs.analytics, day, name), 'utf8')) as StoredSummary;
      summaries.set(summary.hour, summary);
    }
  }
  return summaries;
}

/** Dead letters of every day, parsed. */
export async function readDeadLetters(dirs: Dirs): Promise<Record<string, unknown>[]> {
  const letters: Record<string, unknown>[] = [];
  for (const name of await listVisible(dirs.dlq)) {
    const bytes = await readFile(join(dirs.dlq, name));
    for (const line of splitLines(name, bytes)) letters.push(JSON.parse(line) as Record<string, unknown>);
  }
  return letters;
}

/** Calls `check` until it passes. After `timeoutMs` it throws the last failure. */
export async function eventually<T>(check: () => T | Promise<T>, timeoutMs = 30_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
