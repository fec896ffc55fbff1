import { createHash } from 'node:crypto';
import { open, readdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DamageKind } from '../model/damage-kinds.ts';
import { makeFolderSync, syncPathSync } from './folders.ts';
import { isFound, isMissing } from './missing.ts';

/*
 * What a start found damaged and could not use, kept for whoever wants to look at it:
 *
 *   <stateDir>/damaged/<name>-<offset>-<digest>     bytes as they were found, from this offset of the file
 *   <stateDir>/damaged/damage.ndjson                one line a damage, oldest first, until somebody has taken note of it
 *   <stateDir>/damaged/damage-<n>.ndjson            lines that somebody has taken note of
 *
 * No file is overwritten. Everything is synced before the place where it was found is changed.
 */
const FOLDER = 'damaged';
const NOTES = 'damage.ndjson';
const MAX_FILES = 1_000;
const MAX_BYTES = 256 * 1024 * 1024;
const MAX_NOTES_BYTES = 1024 * 1024;

export interface Damage {
  readonly kind: DamageKind;
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  /** What it is, in a sentence without a full stop. */
  readonly reason: string;
}

/** A line of damage.ndjson. */
export interface DamageNote extends Damage {
  /** ISO 8601 */
  readonly time: string;
  /** Where the bytes are kept. */
  readonly kept?: string;
}

/** For people to read, without paths; undefined when there is no damage that nobody has taken note of. */
export async function describeDamage(stateDir: string): Promise<string | undefined> {
  const notes = await new DamagedFiles(stateDir).notes();
  const last = notes.at(-1);
  if (last === undefined) return undefined;
  const kinds = [...new Set(notes.map(({ kind }) => kind))].join(', ');
  return `damage was found in ${notes.length} places (${kinds}), last at ${last.time}: ${last.reason}; see the log, and run logforge verify`;
}

export class DamagedFiles {
  readonly folder: string;

  constructor(stateDir: string) {
    this.folder = join(stateDir, FOLDER);
  }

  /** Keeps bytes that were found at an offset of a file. Gives their path; undefined when there is no more room for them. */
  async keep(name: string, offset: number, bytes: Buffer): Promise<string | undefined> {
    const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
    const path = join(this.folder, `${name}-${offset}-${digest}`);
    makeFolderSync(this.folder, true);
    const { files, size } = await this.#usage();
    if (files >= MAX_FILES || size + bytes.length > MAX_BYTES) return undefined;
    try {
      await writeNew(path, bytes);
    } catch (error) {
      // A start that did not finish has kept the same bytes.
      if (!isFound(error)) throw error;
    }
    syncPathSync(this.folder);
    return path;
  }

  /** Adds a note, once for each damage, so that it is told until somebody has taken note of it. */
  async note(note: DamageNote): Promise<void> {
    makeFolderSync(this.folder, true);
    const notes = await this.notes();
    if (
      notes.some(({ file, offset, reason }) => file === note.file && offset === note.offset && reason === note.reason)
    )
      return;
    const line = Buffer.from(`${JSON.stringify(note)}\n`);
    const handle = await open(join(this.folder, NOTES), 'a', 0o640);
    try {
      if ((await handle.stat()).size + line.length > MAX_NOTES_BYTES) return;
      await handle.appendFile(line);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    syncPathSync(this.folder);
  }

  /** The damage that nobody has taken note of yet. */
  async notes(): Promise<DamageNote[]> {
    try {
      const text = await readFile(join(this.folder, NOTES), 'utf8');
      return text.split('\n').flatMap((line) => parseNote(line) ?? []);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  /** From now on the damage that was noted is not told any more. Gives where the notes are; undefined when there are none. */
  async acknowledge(): Promise<string | undefined> {
    if ((await this.notes()).length === 0) return undefined;
    const names = new Set(await readdir(this.folder));
    let n = 1;
    while (names.has(`damage-${n}.ndjson`)) n++;
    const path = join(this.folder, `damage-${n}.ndjson`);
    await rename(join(this.folder, NOTES), path);
    syncPathSync(this.folder);
    return path;
  }

  async #usage(): Promise<{ readonly files: number; readonly size: number }> {
    const names = await readdir(this.folder);
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(this.folder, name))).size));
    return { files: names.length, size: sizes.reduce((sum, size) => sum + size, 0) };
  }
}

async function writeNew(path: string, bytes: Buffer): Promise<void> {
  const handle = await open(path, 'wx', 0o640);
  try {
    await handle.writeFile(bytes);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** Undefined for half a line, which a crash may have left, and for a line that is no note. */
function parseNote(line: string): DamageNote | undefined {
  try {
    const value: unknown = line === '' ? undefined : JSON.parse(line);
    return isNote(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isNote(value: unknown): value is DamageNote {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, file, reason, time, offset, bytes }: { [Field in keyof DamageNote]?: unknown } = value;
  const areTexts = [kind, file, reason, time].every((text) => typeof text === 'string');
  return areTexts && typeof offset === 'number' && typeof bytes === 'number';
}
