import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DamagedLog } from '../disk/damage-report.ts';
import { type FileSystem, removeIfThere, writeFully } from '../disk/file-system.ts';
import { isMissing } from '../disk/missing.ts';
import { type EntryForm, type LogScan, scanLog } from '../disk/scan-log.ts';
import { createSegmentNames } from '../disk/segment-names.ts';
import { encodeEntry, type LogEntry, sealEntry } from '../disk/write-ahead-log.ts';
import type { IdempotencyNote } from '../model/deliver.ts';
import { type PlacedText, RECORD_BYTES } from '../model/key-table.ts';

/*
 * The idempotency keys of retired journal segments.
 *
 *   <stateDir>/keys-<number>.log             keys in the order of use; numbers count up
 *
 *   file  = entry*                           no magic; entries as disk/write-ahead-log.ts draws them, with seed 0:
 *     meta  = {"seq":0,"keys":[],"now":time}
 *     data  = record* "\n"                   as model/key-table.ts draws them: digests, not the keys themselves. The last
 *                                            byte of an entry is not zero (disk/scan-log.ts)
 *
 *     now:  Unix ms at which the file was written, on the scale of the keys' times
 *     keys: version 1.0.0 wrote {"seq":0,"keys":[IdempotencyNote, …]} and no data. Such a file is read, and written in
 *           the present form at the start. Version 1.0.0 reads the present form as a file without keys
 *
 *   <stateDir>/answers-<number>.log          the long answers to the keys of keys-<number>.log
 *
 *   file  = entry*                           the same form:
 *     meta  = {"seq":0,"answers":[[place of the key in its file, first u32 of its record, text], …]}
 *
 * A file is written to its end before the segment of the journal that has the same keys is deleted. So where a later segment is the
 * oldest one, what looks like a write that did not finish is damage.
 *
 * Answers have files of their own because they are deleted sooner: all of them together are limited in bytes. Without
 * its answer a key is still known, and a repeat gets the counts.
 */
export const KEY_FILE_NAMES = createSegmentNames({ prefix: 'keys-', digits: 8, suffix: '.log' });
export const ANSWER_FILE_NAMES = createSegmentNames({ prefix: 'answers-', digits: 8, suffix: '.log' });
export const KEYS_FORM: EntryForm = { metaStart: Buffer.from('{"seq":'), seedOf: () => 0 };
const KEYS_PER_ENTRY = 10_000;
const END_OF_RECORDS = Buffer.from('\n');
const ENTRY_TEXT_LENGTH = 1024 * 1024;

interface KeysMeta {
  readonly seq: 0;
  readonly keys: readonly IdempotencyNote[];
  readonly now?: number;
}

interface AnswersMeta {
  readonly seq: 0;
  readonly answers: readonly PlacedText[];
}

export interface KeyFilePlace {
  readonly stateDir: string;
  readonly number: number;
}

export function listKeyFiles(stateDir: string): Promise<number[]> {
  return KEY_FILE_NAMES.list(stateDir);
}

export function listAnswerFiles(stateDir: string): Promise<number[]> {
  return ANSWER_FILE_NAMES.list(stateDir);
}

/** What an entry of a key file holds: notes in the older form, records in the present one. */
export interface KeysEntry {
  readonly notes: readonly IdempotencyNote[];
  /** A whole number of records. */
  readonly records: Buffer;
  readonly now: number | undefined;
}

/** How a file is read: `mayBeUnfinished` when the journal still has its keys. */
export interface KeyFileReading extends KeyFilePlace {
  readonly mayBeUnfinished: boolean;
}

/** The valid entries of a key file, and where it is damaged. */
export function readKeyFile({
  stateDir,
  number,
  mayBeUnfinished,
}: KeyFileReading): DamagedLog & { readonly entries: KeysEntry[]; readonly isUnfinished: boolean } {
  const path = join(stateDir, KEY_FILE_NAMES.of(number));
  const bytes = readFileSync(path);
  const scan = scanKeys(bytes);
  const isUnfinished = mayBeUnfinished && isTorn(scan, bytes);
  const { entries, damage } = isUnfinished ? scan : asWhole(scan, bytes);
  return { path, damage, entries: entries.map(decodeKeys), isUnfinished };
}

/** Whether something follows what could be read, zeros among it, or nothing is there at all. */
function isTorn(scan: LogScan, bytes: Buffer): boolean {
  return endOfRead(scan) < bytes.length || bytes.length === 0;
}

function endOfRead({ entries, damage }: LogScan): number {
  return Math.max(0, entries.at(-1)?.end ?? 0, damage.at(-1)?.end ?? 0);
}

/** Of a file that was written to its end: it has no write that did not finish. */
export function asWhole(scan: LogScan, bytes: Buffer): LogScan {
  if (!isTorn(scan, bytes)) return scan;
  const rest = { start: endOfRead(scan), end: bytes.length, isCorrected: false };
  return { ...scan, damage: [...scan.damage, rest], tornBytes: 0 };
}

/** The entries of a key file. The form of other files is the same, so a bad copy may hold entries of those: they are damage. */
export function scanKeys(bytes: Buffer): LogScan {
  return scanOnly(bytes, (meta: Partial<KeysMeta>) => Array.isArray(meta.keys));
}

/** The entries of a file of answers. */
export function scanAnswers(bytes: Buffer): LogScan {
  return scanOnly(bytes, (meta: Partial<AnswersMeta>) => Array.isArray(meta.answers));
}

function scanOnly(bytes: Buffer, isOurs: (meta: object) => boolean): LogScan {
  const scan = scanLog(bytes, { start: 0, form: KEYS_FORM });
  const entries = scan.entries.filter(({ meta }) => isOurs(meta as object));
  if (entries.length === scan.entries.length) return scan;
  const others = scan.entries.filter((entry) => !entries.includes(entry));
  const foreign = others.map(({ start, end }) => ({ start, end, isCorrected: false }));
  return { ...scan, entries, damage: [...scan.damage, ...foreign].sort((a, b) => a.start - b.start) };
}

/** The checksum holds and it is an entry of keys, so this is what a service wrote. */
function decodeKeys({ meta, data }: LogEntry): KeysEntry {
  const { keys, now } = meta as KeysMeta;
  return { notes: keys, records: data.subarray(0, data.length - (data.length % RECORD_BYTES)), now };
}

/** The long answers to the keys of a key file that was written to its end. Undefined where there is no file of them. */
export function readAnswers({
  stateDir,
  number,
}: KeyFilePlace): (DamagedLog & { readonly answers: PlacedText[] }) | undefined {
  const path = join(stateDir, ANSWER_FILE_NAMES.of(number));
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const { entries, damage } = asWhole(scanAnswers(bytes), bytes);
  // The checksum holds and it is an entry of answers, so this is what a service wrote.
  return { path, damage, answers: entries.flatMap(({ meta }) => (meta as AnswersMeta).answers) };
}

interface WriteOptions extends KeyFilePlace {
  readonly files: FileSystem;
  readonly durable: boolean;
}

export async function writeKeyFile(options: WriteOptions & { readonly records: Buffer; readonly now: number }) {
  const { records, now } = options;
  const meta: KeysMeta = { seq: 0, keys: [], now };
  const step = KEYS_PER_ENTRY * RECORD_BYTES;
  const entryAt = (at: number) => ({ meta, data: [records.subarray(at, at + step), END_OF_RECORDS] });
  const entries = [entryAt(0)];
  for (let at = step; at < records.length; at += step) entries.push(entryAt(at));
  await writeEntries({ ...options, path: join(options.stateDir, KEY_FILE_NAMES.of(options.number)), entries });
}

export async function writeAnswers(options: WriteOptions & { readonly answers: readonly PlacedText[] }) {
  const entries: { readonly meta: AnswersMeta; readonly data: Buffer[] }[] = [];
  let answers: PlacedText[] = [];
  let length = 0;
  for (const answer of options.answers) {
    if (length > ENTRY_TEXT_LENGTH) {
      entries.push({ meta: { seq: 0, answers }, data: [] });
      answers = [];
      length = 0;
    }
    answers.push(answer);
    length += answer[2].length;
  }
  entries.push({ meta: { seq: 0, answers }, data: [] });
  await writeEntries({ ...options, path: join(options.stateDir, ANSWER_FILE_NAMES.of(options.number)), entries });
}

async function writeEntries(options: {
  readonly files: FileSystem;
  readonly path: string;
  readonly entries: readonly { readonly meta: unknown; readonly data: readonly Buffer[] }[];
  readonly durable: boolean;
}): Promise<void> {
  const { files, path, entries, durable } = options;
  const fd = await files.open(path);
  try {
    await files.truncate(path, 0);
    let at = 0;
    for (const { meta, data } of entries) {
      const entry = encodeEntry(meta, data);
      sealEntry(entry);
      await writeFully(files, fd, entry.buffers, at);
      at += entry.bytes;
    }
    if (durable) await files.sync(fd);
  } finally {
    await files.close(fd);
  }
}

export async function removeKeyFile(files: FileSystem, { stateDir, number }: KeyFilePlace): Promise<void> {
  await removeAnswers(files, { stateDir, number });
  await removeIfThere(files, join(stateDir, KEY_FILE_NAMES.of(number)));
}

export async function removeAnswers(files: FileSystem, { stateDir, number }: KeyFilePlace): Promise<void> {
  await removeIfThere(files, join(stateDir, ANSWER_FILE_NAMES.of(number)));
}
