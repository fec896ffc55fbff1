import type { FieldMap } from '../../model/field-map.ts';
import type { Stream } from '../../model/stream.ts';
import { createBoundary } from '../framing.ts';
import { columnsByPosition, mapColumns, readCsvHeader } from './csv-header.ts';
import { readRow, splitRow } from './csv-row.ts';
import { CsvRows } from './csv-rows.ts';
import { cutBlock, type FileFrame, withoutMark } from './cut-block.ts';
import { type DecodedFrames, FILE_DECODING } from './decode-frames.ts';
import { type FileReading, MAX_STATE_BYTES, UnreadableFileError } from './file-reading.ts';
import type { JsonObject } from './json-text.ts';
import { LogTime } from './log-time.ts';
import { MappedFrames } from './mapped-frames.ts';
import type { ReadingOptions } from './reading-options.ts';

/**
 * CSV (RFC 4180). The first row is the header, or the file has none and its columns are the fields of the stream by position: then its first
 * row begins with a time. `head`: the first bytes of the file. Throws UnreadableFileError where neither is so.
 */
export function openCsv(head: Buffer, options: ReadingOptions, state: string): FileReading {
  const first = state === '' ? firstRow(head) : Buffer.from(state);
  const { rows, header } = readFirstRow(first, options, state !== '');
  let isRead = state !== '';
  return {
    format: 'csv',
    framing: 'rows',
    noun: 'row',
    get state() {
      return isRead ? header : '';
    },
    convert(frames, number) {
      const cut = cutBlock(withoutMark(frames, number), createBoundary('rows', false), {
        from: 0,
        number,
        isArray: false,
      });
      const skipped = header !== '' && !isRead && cut.frames.length > 0 ? 1 : 0;
      isRead ||= skipped > 0;
      return { ...rows.decode(cut.frames.slice(skipped)), frames: cut.count };
    },
  };
}

interface FirstRow {
  readonly rows: { decode(rows: readonly FileFrame[]): DecodedFrames };
  /** Empty: the file has none. */
  readonly header: string;
}

/** `isKnown`: it was a header when the file was first read. */
function readFirstRow(first: Buffer | undefined, options: ReadingOptions, isKnown: boolean): FirstRow {
  const byPosition = { rows: new CsvRows(columnsByPosition(options.stream), options), header: '' };
  if (first === undefined) return byPosition;
  const times = new LogTime(options.zone);
  const isTime = (text = '') => times.read(text.trim()) !== undefined;
  const values = splitRow(first);
  if ('reason' in values) {
    if (isTime(first.toString('utf8').split(',', 1)[0])) return byPosition;
    throw new UnreadableFileError(`the first row is ${values.reason}`);
  }
  const isHeader = isKnown || !values.some(isTime);
  const { map, stream } = options;
  if (isHeader) {
    const rows =
      map === undefined ? new CsvRows(readCsvHeader(values, stream), options) : mappedRows(map, values, options);
    return { rows, header: first.toString('utf8') };
  }
  if (map !== undefined) {
    throw new UnreadableFileError(
      'the first row of the CSV file is no header, since it has a time; a map needs the names of columns',
    );
  }
  if (isTime(values[0])) return byPosition;
  throw new UnreadableFileError(
    'the first row of the CSV file is no header, since it has a time, and its first column, where the time is expected then, has none',
  );
}

/** Each row as an object of texts, by the names of the columns; of two columns with one name the first counts. */
function mappedRows(map: FieldMap, header: readonly string[], options: ReadingOptions): MappedFrames {
  const names = header.map((name) => name.trim());
  function read(row: Buffer): JsonObject | { readonly reason: string } {
    const values = readRow(row, names.length);
    if ('reason' in values) return values;
    const value = Object.fromEntries(names.map((name, at) => [name, values[at]] as const).reverse());
    return { value, text: JSON.stringify(value) };
  }
  const decoding = { ...FILE_DECODING, extraFields: options.fields === 'all' ? ('keep' as const) : ('drop' as const) };
  return new MappedFrames(mapColumns(map, header, options.stream), options, decoding, { read, noun: 'row' });
}

/** Whether a file with a map is CSV: its first row names the columns that the map needs. */
export function isMappedCsv(head: Buffer, map: FieldMap, stream: Stream): boolean {
  try {
    const first = firstRow(head);
    const values = first === undefined ? [] : splitRow(first);
    if ('reason' in values || values.length < 2) return false;
    mapColumns(map, values, stream);
    return true;
  } catch (error) {
    if (error instanceof UnreadableFileError) return false;
    throw error;
  }
}

/** The first row that is not blank; undefined in a file that has none yet. */
function firstRow(head: Buffer): Buffer | undefined {
  const [first] = cutBlock(head, createBoundary('rows', false), { from: 0, number: 1, isArray: false }).frames;
  if (first !== undefined && first.bytes.length >= MAX_STATE_BYTES) {
    throw new UnreadableFileError(
      `the first row is longer than ${MAX_STATE_BYTES} bytes: no CSV, or a quote is not closed`,
    );
  }
  return first?.bytes;
}
