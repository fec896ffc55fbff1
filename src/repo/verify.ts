import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DamagedFiles } from '../disk/damaged-files.ts';
import { diskFileSystem } from '../disk/file-system.ts';
import type { DamagedRange } from '../disk/scan-log.ts';
import { BYTES } from '../model/bytes.ts';
import { SummaryFormatError } from '../model/summary.ts';
import { DataFiles, type HourDataFile } from './data-files.ts';
import { NO_FRAMES } from './frames-file.ts';
import { listAllHours } from './hour-file.ts';
import { HourForms } from './hour-forms.ts';
import { liveEntries, readSegments, type Segment } from './journal-reader.ts';
import { ANSWER_FILE_NAMES, asWhole, KEY_FILE_NAMES, scanAnswers, scanKeys } from './key-files.ts';
import { syncedFrames } from './restore-frames.ts';
import { SequenceFile } from './sequence-file.ts';
import { CommittedState } from './state.ts';
import { createSummaryFiles, summaryPath } from './summaries.ts';
import { verifyFrames } from './verify-frames.ts';

/** What a check found at one place. */
export interface Finding {
  readonly place: string;
  readonly isSound: boolean;
  readonly detail: string;
}

export interface StorageFolders {
  readonly logsDir: string;
  readonly dlqDir: string;
  readonly stateDir: string;
  readonly analyticsDir: string;
}

/** Reads the storage of a service that does not run, and changes nothing. Rejects when a later version wrote it. */
export async function* verifyStorage(folders: StorageFolders): AsyncGenerator<Finding> {
  const { logsDir, stateDir, analyticsDir } = folders;
  const dataFiles = new DataFiles(folders);
  const segments = await readSegments(stateDir, dataFiles);
  const state = new CommittedState();
  const entries = liveEntries(segments);
  for (const { meta } of entries) state.apply(meta);
  for (const segment of segments) yield describeSegment(segment);
  yield describeSequence(folders, segments, state);
  for (const [names, scan] of [
    [KEY_FILE_NAMES, scanKeys],
    [ANSWER_FILE_NAMES, scanAnswers],
  ] as const) {
    for (const number of await names.list(stateDir)) {
      const place = join(stateDir, names.of(number));
      const bytes = readFileSync(place);
      const mayBeUnfinished = segments[0] !== undefined && number >= segments[0].number;
      const { entries, damage, tornBytes } = mayBeUnfinished ? scan(bytes) : asWhole(scan(bytes), bytes);
      yield { place, ...describeLog({ entries: entries.length, damage, tornBytes }) };
    }
  }
  const synced = syncedFrames(entries);
  const forms = new HourForms({ files: diskFileSystem, state, compressionOf: () => 'none', log: undefined });
  const describeHour = async (hour: HourDataFile): Promise<Finding & { readonly bytes: number }> => {
    const file = (await forms.find(hour)) ?? hour;
    const length = state.length(file);
    const place = file.path;
    if (file.kind === 'hour') {
      const lines = await readLines(place);
      return { place, bytes: lines.bytes, ...describeLines(lines, length) };
    }
    const { framed, logical } = state.linesOf(file);
    const known = length !== undefined && {
      newest: { length, lines: framed },
      base: synced.get(file) ?? NO_FRAMES,
      logical,
    };
    const { lines, ...verdict } = verifyFrames(place, { committed: known || undefined, isLine: isObject });
    return { place, bytes: lines, ...verdict };
  };
  const summaries = createSummaryFiles({ analyticsDir, durability: 'os' });
  for (const hour of await listAllHours(logsDir)) {
    const file = dataFiles.ofHour(hour);
    if (state.removed.has(file)) {
      const detail = 'removed by retention; the service deletes what is left of it';
      yield { place: file.path, isSound: true, detail };
      continue;
    }
    const { bytes, ...finding } = await describeHour(file);
    yield finding;
    const summary = describeSummary(() => summaries.read(hour)?.source.bytes, bytes);
    if (summary !== undefined) yield { place: summaryPath(analyticsDir, hour), ...summary };
  }
  for (const file of await dataFiles.listDeadLetters()) {
    yield { place: file.path, ...describeLines(await readLines(file.path), state.length(file)) };
  }
  for (const note of await new DamagedFiles(stateDir).notes()) {
    yield { place: note.file, isSound: false, detail: `noted ${note.time}: ${note.reason}` };
  }
}

type Verdict = Omit<Finding, 'place'>;

/** A log of entries: a segment of the journal or of the spool, or a key file. */
export function describeLog(log: {
  readonly entries: number;
  readonly damage: readonly DamagedRange[];
  readonly tornBytes: number;
}): Verdict {
  const unreadable = log.damage.filter(({ isCorrected }) => !isCorrected).length;
  const parts = [`${log.entries} entries`];
  if (log.damage.length > unreadable) parts.push(`${log.damage.length - unreadable} damaged and correctable`);
  if (unreadable > 0) parts.push(`${unreadable} unreadable places, the first at byte ${log.damage[0]?.start}`);
  if (log.tornBytes > 0) parts.push(`${log.tornBytes} bytes of a write that did not finish`);
  return { isSound: log.damage.length === 0, detail: parts.join(', ') };
}

function describeSegment({ path, entries, damage, tornBytes }: Segment): Finding {
  return { place: path, ...describeLog({ entries: entries.length, damage, tornBytes }) };
}

function describeSequence({ logsDir }: StorageFolders, segments: readonly Segment[], state: CommittedState): Finding {
  const { path, found } = new SequenceFile({ files: diskFileSystem, logsDir, log: undefined });
  const place = path;
  if (found === undefined) return { place, isSound: true, detail: 'not there, so nothing to compare' };
  if (segments.length === 0)
    return { place, isSound: false, detail: 'there is no commit journal beside these hour files' };
  if (state.store !== undefined && state.store !== found.store) {
    return { place, isSound: false, detail: 'the commit journal belongs to other hour files' };
  }
  const missing = found.seq - state.nextSeq + 1;
  return missing > 0
    ? { place, isSound: false, detail: `the commit journal lost its newest ${missing} entries` }
    : { place, isSound: true, detail: 'the commit journal has every entry' };
}

interface Lines {
  readonly bytes: number;
  readonly lines: number;
  /** Lines that are not JSON objects. */
  readonly invalid: number;
  readonly endsInLine: boolean;
}

async function readLines(path: string): Promise<Lines> {
  const found = { bytes: 0, lines: 0, invalid: 0 };
  let pieces: Buffer[] = [];
  for await (const part of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    const block = part as Buffer;
    found.bytes += block.length;
    let start = 0;
    for (let end = block.indexOf(BYTES.NEWLINE); end !== -1; end = block.indexOf(BYTES.NEWLINE, start)) {
      const line = Buffer.concat([...pieces, block.subarray(start, end)]);
      pieces = [];
      found.lines++;
      if (!isObject(line.toString())) found.invalid++;
      start = end + 1;
    }
    if (start < block.length) pieces.push(block.subarray(start));
  }
  return { ...found, endsInLine: pieces.length > 0 };
}

function isObject(line: string): boolean {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** `committed` is not known of an hour that got no record for a while. */
function describeLines({ bytes, lines, invalid, endsInLine }: Lines, committed: number | undefined): Verdict {
  const parts = [`${lines} lines`];
  if (invalid > 0) parts.push(`${invalid} are not JSON objects`);
  const isShort = committed !== undefined && bytes < committed;
  if (isShort) parts.push(`${committed - bytes} bytes shorter than committed`);
  const beyond = committed === undefined ? 0 : Math.max(0, bytes - committed);
  if (beyond > 0) parts.push(`${beyond} bytes beyond the committed length`);
  if (endsInLine) parts.push('the last line has no end');
  // A commit that did not finish leaves bytes that the next start cuts off.
  return { isSound: invalid === 0 && !isShort && (!endsInLine || beyond > 0), detail: parts.join(', ') };
}

function describeSummary(read: () => number | undefined, fileBytes: number): Verdict | undefined {
  try {
    const bytes = read();
    if (bytes === undefined || bytes <= fileBytes) return undefined;
    return { isSound: false, detail: `counts ${bytes} bytes of an hour file of ${fileBytes}` };
  } catch (error) {
    if (!(error instanceof SummaryFormatError)) throw error;
    return { isSound: false, detail: `cannot be read: ${error.message}` };
  }
}
