import { hostname } from 'node:os';
import type { ReadAs } from '../app/files/read-as.ts';
import { type FieldMap, FieldMapError, parseFieldMap } from '../model/field-map.ts';
import { FILE_FORMATS } from '../model/file-formats.ts';
import { ACCESS_STREAM, isDefaultStream, isStreamName, type StreamName } from '../model/stream.ts';
import { type Options, UsageError } from './command.ts';
import { toZone } from './parse-flags.ts';

/** How files are read, for all commands that read them. */
export const fileOptions = {
  stream: { value: 'NAME', help: 'The stream that the records belong to. Default access.' },
  format: {
    value: 'FORMAT',
    choices: FILE_FORMATS,
    help: `Format of the files: ${FILE_FORMATS.join(', ')}. By default it is recognised for each file by its content.`,
  },
  map: {
    value: 'MAP',
    help: "Where the fields stand in JSON, and in CSV with a header: timestamp=ts,path=request.uri,userAgent='request.headers.User-Agent[0]'. May be given several times. What it does not name is not kept (docs/files.md, Maps).",
  },
  zone: { value: 'ZONE', help: 'The zone of times that name none: Z, or an offset such as +02:00. Default Z.' },
  fields: {
    value: 'WHICH',
    choices: ['all', 'core'],
    help: 'What is kept of a line of an access log: all that it knows (client, method, status, …), or core: timestamp, path and userAgent. Default all.',
  },
  source: {
    value: 'NAME',
    help: 'Sets files with equal names and lines apart, such as those of two hosts. Default: the name of this host.',
  },
  rejects: {
    value: 'FILE',
    completes: 'file',
    help: 'Append the lines that cannot be read to this file, with their reasons.',
  },
} as const satisfies Options;

/** Formats that only access logs have. */
const WITHOUT_EVENTS: readonly string[] = FILE_FORMATS.filter(
  (format) => !['ndjson', 'json', 'csv', 'text'].includes(format),
);

/** Formats whose fields a map can name. */
const MAPPED: readonly string[] = ['ndjson', 'json', 'csv'];

type Values = { readonly [N in keyof typeof fileOptions]: string | undefined };

export interface FileSettings {
  readonly stream: StreamName;
  readonly readAs: ReadAs;
  readonly source: string;
  readonly rejects: string | undefined;
}

/** `maps`: all values of --map. Throws UsageError. */
export function readFileOptions(
  { stream, format, zone, fields, source, rejects }: Values,
  maps: readonly string[] = [],
): FileSettings {
  const name = stream ?? ACCESS_STREAM.name;
  if (!isStreamName(name)) throw new UsageError(`--stream must be the name of a stream, got ${JSON.stringify(name)}`);
  if (!isDefaultStream(name) && format !== undefined && WITHOUT_EVENTS.includes(format)) {
    throw new UsageError(`--format ${format} has no events: its records belong to access`);
  }
  if (maps.length > 0 && format !== undefined && !MAPPED.includes(format)) {
    throw new UsageError(`--map is for ${MAPPED.join(', ')}: --format ${format} has fields of its own`);
  }
  return {
    stream: name,
    readAs: {
      format: FILE_FORMATS.find((one) => one === format),
      zone: toZone(zone ?? 'Z'),
      fields: fields === 'core' ? 'core' : 'all',
      map: readMap(maps),
    },
    source: source ?? hostname(),
    rejects,
  };
}

/** `texts`: all values of --map. Throws UsageError. */
export function readMap(texts: readonly string[]): FieldMap | undefined {
  try {
    return texts.length === 0 ? undefined : parseFieldMap(texts.join(','));
  } catch (error) {
    if (error instanceof FieldMapError) throw new UsageError(`--map: ${error.message}`);
    throw error;
  }
}
