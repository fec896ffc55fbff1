import { statSync } from 'node:fs';
import type { FileFormat } from '../../decode/decode.ts';
import { openReading } from '../../decode/files/open-reading.ts';
import type { OpenReading } from '../../inputs/files/files.ts';
import { BYTES } from '../../model/bytes.ts';
import { systemClock } from '../../model/clock.ts';
import type { FieldMap } from '../../model/field-map.ts';
import { FILE_FORMATS } from '../../model/file-formats.ts';
import { ACCESS_STREAM, EVENTS_STREAM, type Stream, type StreamName } from '../../model/stream.ts';

/** How files are read, where their content does not say it. */
export interface ReadAs {
  /** Absent: recognised for each file. */
  readonly format: FileFormat | undefined;
  /** Of times that name none: minutes east of UTC. */
  readonly zone: number;
  readonly fields: 'all' | 'core';
  /** Where the fields stand in JSON, and in CSV with a header. */
  readonly map?: FieldMap | undefined;
  /** Of text: see ReadingOptions. */
  readonly service?: string;
  /** Of a file, by its name. Default: now. */
  readonly arrival?: (name: string) => number;
  readonly needsTime?: boolean;
}

/** Opens the readings of files. `stream`: one of the configuration, or a name, whose fields only the service knows. */
export function createOpenReading(stream: Stream | StreamName, readAs: ReadAs): OpenReading {
  const of = typeof stream === 'string' ? streamNamed(stream) : stream;
  const { arrival = systemClock, ...others } = readAs;
  return (name, head, state, recognised) =>
    openReading(
      head,
      { ...others, name, stream: of, recognised: toFormat(recognised), arrival: () => arrival(name) },
      state,
    );
}

/** When a file was written last: of text that is read again and again, so that it gets the same time. Of what is no file, now. */
export function createArrivalOfFiles(): (name: string) => number {
  const known = new Map<string, number>();
  return (name) => {
    const time = known.get(name) ?? Math.floor(statSync(name, { throwIfNoEntry: false })?.mtimeMs ?? systemClock());
    known.set(name, time);
    return time;
  };
}

/** The service checks the fields of a stream that is not built in: here the timestamp is. */
function streamNamed(name: StreamName): Stream {
  const builtIn = [ACCESS_STREAM, EVENTS_STREAM].find((stream) => stream.name === name);
  return builtIn ?? { name, required: [], countBy: [] };
}

/** A checkpoint of another version may name a format that there is not. */
function toFormat(text: string): FileFormat | undefined {
  return FILE_FORMATS.find((format) => format === text);
}

/** Lines as they stand in their file: they are counted, and nothing is read in them. */
export const openLines: OpenReading = () => ({
  format: 'text',
  framing: 'lines',
  noun: 'line',
  state: '',
  convert: (frames) => ({ body: Buffer.alloc(0), records: 0, frames: countLines(frames), unreadable: [] }),
});

function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(BYTES.NEWLINE); at >= 0; at = bytes.indexOf(BYTES.NEWLINE, at + 1)) count++;
  return bytes.length === 0 || bytes.at(-1) === BYTES.NEWLINE ? count : count + 1;
}
