import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dirs } from './service.ts';

/** Every hour file as `2015-05-17T10` → its bytes. */
export async function readHourFiles(dirs: Dirs): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const day of await listVisible(dirs.logs)) {
    for (const name of await listVisible(join(dirs.logs, day))) {
      const match = /^(\d\d)\.log\.json$/.exec(name);
      if (match === null) throw new Error(`an unexpected file among the hour files: ${join(day, name)}`);
      files.set(`${day}T${match[1]}`, await readFile(join(dirs.logs, day, name)));
    }
  }
  return files;
}

/** The names in a folder, in order, without the service's own hidden files (its lock). */
export async function listVisible(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.startsWith('.')).sort();
}

/** All stored records, parsed, hour by hour. A file that does not end in a whole line is an error. */
export async function readRecords(dirs: Dirs): Promise<Record<string, unknown>[]> {
  const records: Record<string, unknown>[] = [];
  for (const [hour, bytes] of await readHourFiles(dirs)) {
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
  for (const day of await listVisible(dirs.analytics)) {
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
export async function eventually<T>(check: () => T | Promise<T>, timeoutMs = 15_000): Promise<T> {
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
