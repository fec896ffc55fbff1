import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isMissing } from '../disk/missing.ts';
import { memberTokens } from '../lines/member-tokens.ts';
import { BYTES } from '../model/bytes.ts';
import { ACCESS_STREAM, isStreamName, type StreamName } from '../model/stream.ts';

const { NEWLINE } = BYTES;

/** One line of `<dlqDir>/YYYY-MM-DD.ndjson`, or of a file that another program wrote in the same form. */
export interface DeadLetterLine {
  /** RFC 3339. */
  readonly time: string;
  /** `ingest`, `consume` or `input`. */
  readonly stage: string;
  /** The stream that the record was sent to. */
  readonly stream: StreamName;
  readonly reason: string;
  readonly source: string;
  /** The record as it was received, as text; JSON text when it was a JSON object. */
  readonly content: string;
  /** Of a content that is bytes in base64, where it is known. */
  readonly contentType: string | undefined;
  /** The mapping by which the content is read, where it has one. */
  readonly map: string | undefined;
  /** The stored line itself. */
  readonly line: string;
  /** The name of its file, without a folder. */
  readonly file: string;
  /** `2025-11-22`: of its file, or of its time where the file has several. */
  readonly day: string;
  /** Of the line in its file, from 1. */
  readonly number: number;
}

export interface DeadLetterFilter {
  readonly day?: string | undefined;
  /** The first day. */
  readonly from?: string | undefined;
  /** The day after the last. */
  readonly to?: string | undefined;
  readonly stage?: string | undefined;
  readonly stream?: StreamName | undefined;
  /** The reason contains it. */
  readonly reason?: string | undefined;
}

/** A file of dead letters. */
export interface LetterFile {
  readonly path: string;
  /** The day of all its letters; absent: each has its own. */
  readonly day?: string;
}

/** The files of the days that have dead letters, oldest first. A directory that does not exist has none. */
export async function listDays(directory: string, filter: DeadLetterFilter = {}): Promise<readonly LetterFile[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (isMissing(error)) return [];
    throw new Error(`cannot read the folder storage.dlqDir=${directory}: ${error.message}`, { cause: error });
  });
  const days = names.flatMap((name) => /^(\d{4}-\d\d-\d\d)\.ndjson$/.exec(name)?.[1] ?? []);
  return days
    .filter((day) => isWanted(day, filter))
    .sort()
    .map((day) => ({ path: join(directory, `${day}.ndjson`), day }));
}

function isWanted(day: string, { day: only = day, from = '', to }: DeadLetterFilter): boolean {
  return day === only && day >= from && (to === undefined || day < to);
}

/**
 * The dead letters of a file, in the order in which they were written; undefined for a line that cannot be read. Rejects when the file cannot
 * be read.
 */
export async function* readLetters(
  { path, day: dayOfAll }: LetterFile,
  filter: DeadLetterFilter = {},
): AsyncGenerator<DeadLetterLine | undefined> {
  const { stage, stream, reason = '' } = filter;
  const file = basename(path);
  for await (const { line, number } of readLines(path)) {
    if (line === '') continue;
    const letter = parseLine(line);
    if (letter === undefined) {
      yield undefined;
      continue;
    }
    const day = dayOfAll ?? letter.time.slice(0, 'YYYY-MM-DD'.length);
    if (
      isWanted(day, filter) &&
      (stage ?? letter.stage) === letter.stage &&
      (stream ?? letter.stream) === letter.stream &&
      letter.reason.includes(reason)
    ) {
      yield { ...letter, line, file, day, number };
    }
  }
}

/** Without node:readline: for that, a U+2028 within a record ends a line. */
async function* readLines(path: string): AsyncGenerator<{ readonly line: string; readonly number: number }> {
  let begun: Buffer[] = [];
  let number = 0;
  for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      const bytes = Buffer.concat([...begun, piece.subarray(start, end)]);
      yield { line: bytes.toString(), number: ++number };
      begun = [];
      start = end + 1;
    }
    if (start < piece.length) begun.push(piece.subarray(start));
  }
  yield { line: Buffer.concat(begun).toString(), number: number + 1 };
}

function parseLine(line: string): Omit<DeadLetterLine, 'line' | 'file' | 'day' | 'number'> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const {
    time,
    stage,
    stream = ACCESS_STREAM.name,
    reason,
    source,
    raw,
    contentType: type,
    map,
  } = value as Record<string, unknown>;
  if (!isStreamName(stream)) return undefined;
  if (typeof time !== 'string' || typeof stage !== 'string' || typeof reason !== 'string') return undefined;
  // Its own text, so that no number and no name in it changes.
  const content = typeof raw === 'string' ? raw : (memberTokens(line).get('record') ?? '');
  const contentType = typeof type === 'string' && /^[ -~]{1,255}$/.test(type) ? type : undefined;
  return {
    ...{ time, stage, stream, reason, content, contentType },
    source: typeof source === 'string' ? source : '',
    map: typeof map === 'string' ? map : undefined,
  };
}
