import { TIMESTAMP } from '../../lines/layout.ts';
import { type FieldMap, type FieldSource, pairOfNames } from '../../model/field-map.ts';
import { isDefaultStream, type Stream } from '../../model/stream.ts';
import { UnreadableFileError } from './file-reading.ts';

/** What the columns of a CSV file hold. */
export interface CsvColumns {
  /** The names under which they are stored, in the order of the file. */
  readonly names: readonly string[];
  /** The place of each field that the stream needs, the timestamp first. */
  readonly places: readonly number[];
  /** The place of a time of day whose date stands in the column of the timestamp; -1 without. */
  readonly timeOfDay: number;
  /** The column of the path holds request lines: `GET /index.html HTTP/1.1`. */
  readonly hasRequestLines: boolean;
}

/**
 * Names of columns that mean a field, the likeliest first, as `spell` makes them alike: `User-Agent`, `user_agent` and `userAgent` are one.
 * Sources: what nginx, Apache, W3C, Cloudflare, Elastic and Splunk call these fields in the files that they export.
 */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  timestamp: [
    'timestamp',
    'datetime',
    'dateandtime',
    'timestamputc',
    'time',
    'date',
    'ts',
    'timeiso8601',
    'timelocal',
    'timeutc',
    'eventtime',
    'eventtimestamp',
    'edgestarttimestamp',
    'logtime',
    'logtimestamp',
    'starttime',
    'createdat',
  ],
  path: [
    'path',
    'requestpath',
    'uri',
    'requesturi',
    'url',
    'requesturl',
    'target',
    'requesttarget',
    'uripath',
    'urlpath',
    'httppath',
    'httpurl',
    'pathname',
    'csuri',
    'csuristem',
    'clientrequesturi',
    'clientrequestpath',
    'urloriginal',
    'page',
    'endpoint',
    'request',
    'requestline',
  ],
  userAgent: [
    'useragent',
    'httpuseragent',
    'agent',
    'ua',
    'csuseragent',
    'requestuseragent',
    'clientrequestuseragent',
    'useragentoriginal',
    'useragentstring',
    'clientuseragent',
    'browser',
  ],
  level: ['level', 'severity', 'loglevel', 'lvl', 'priority'],
  message: ['message', 'msg', 'text', 'logmessage'],
  service: ['service', 'servicename', 'source', 'app', 'application', 'logger'],
};
const REQUEST_LINES = ['request', 'requestline'];

const SHOWN_COLUMNS = 20;
const SHOWN_CHARACTERS = 64;

/** The columns by the header of a file. Throws UnreadableFileError where one that the stream needs is not there. */
export function readCsvHeader(values: readonly string[], stream: Stream): CsvColumns {
  const own = values.map((value) => value.trim());
  const spelt = own.map(spell);
  const needed = [TIMESTAMP, ...stream.required];
  const places: number[] = [];
  for (const field of needed) places.push(findColumn(field, own, spelt, places));
  const missing = needed.filter((_, at) => places[at] === -1);
  if (missing.length > 0) throw new UnreadableFileError(describeMissing(missing, needed, own));
  const [timestamp = -1, path = -1] = places;
  const time = spelt.indexOf('time');
  const date = spelt.indexOf('date');
  const isSplit = time !== -1 && date !== -1 && (timestamp === time || timestamp === date);
  if (isSplit) places[0] = date;
  return {
    names: nameColumns(own, new Map(needed.map((field, at) => [places[at] ?? -1, field]))),
    places,
    timeOfDay: isSplit ? time : -1,
    hasRequestLines: stream.required[0] === 'path' && REQUEST_LINES.includes(spelt[path] ?? ''),
  };
}

/** The columns of a file without a header: the fields that the stream needs, in their order. */
export function columnsByPosition(stream: Stream): CsvColumns {
  const names = [TIMESTAMP, ...stream.required];
  return { names, places: [...names.keys()], timeOfDay: -1, hasRequestLines: false };
}

/**
 * Whether a first row names fields of the stream, so that the file is CSV whatever its name is: the timestamp by its own name, or a time and
 * half of the others.
 */
export function namesFields(values: readonly string[], stream: Stream): boolean {
  if (values.length < 2) return false;
  const own = values.map((value) => value.trim());
  if (own.includes(TIMESTAMP)) return true;
  const spelt = own.map(spell);
  const places: number[] = [];
  for (const field of [TIMESTAMP, ...stream.required]) places.push(findColumn(field, own, spelt, places));
  const [timestamp, ...others] = places;
  return timestamp !== -1 && others.filter((at) => at !== -1).length * 2 >= others.length && others.length > 0;
}

/** `User-Agent`, `user agent` and `@timestamp` without what people write differently. */
function spell(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

function findColumn(field: string, own: readonly string[], spelt: readonly string[], taken: readonly number[]): number {
  const exact = own.indexOf(field);
  if (exact !== -1) return exact;
  const found = (ALIASES[field] ?? [spell(field)]).map((alias) => spelt.indexOf(alias));
  return found.find((at) => at !== -1 && !taken.includes(at)) ?? -1;
}

/** A name that a column has twice gets the number of the column, and so does a column without a name. */
function nameColumns(own: readonly string[], fields: ReadonlyMap<number, string>): string[] {
  const used = new Set(fields.values());
  return own.map((name, at) => {
    const field = fields.get(at);
    if (field !== undefined) return field;
    let unique = name === '' ? `column${at + 1}` : name;
    for (let suffix = at + 1; used.has(unique); suffix++) unique = `${name}${suffix}`;
    used.add(unique);
    return unique;
  });
}

/**
 * A map with the columns in the place of its sources: a source is the name of a column. A field of the stream that it does not name has the
 * column that it has without a map. undefined where none stands there.
 */
function columnsOf(map: FieldMap, own: readonly string[], stream: Stream): Map<string, readonly string[]> {
  const spelt = own.map(spell);
  const columns = new Map<string, readonly string[]>();
  for (const { target, sources } of map.pairs) {
    const names = sources.map((source) => findByName(nameOf(source), own, spelt));
    columns.set(
      target,
      [...new Set(names)].filter((name) => name !== undefined),
    );
  }
  for (const field of [TIMESTAMP, ...stream.required]) {
    const at = findColumn(field, own, spelt, []);
    if (!columns.has(field)) columns.set(field, at === -1 ? [] : [own[at] as string]);
  }
  return columns;
}

/** Reads the header of a file with a map. Throws UnreadableFileError where a column of a field that every record needs is not there. */
export function mapColumns(map: FieldMap, values: readonly string[], stream: Stream): FieldMap {
  const own = values.map((value) => value.trim());
  const columns = columnsOf(map, own, stream);
  const sourcesOf = (target: string) => map.pairs.find((pair) => pair.target === target)?.sources.map(nameOf);
  for (const field of [TIMESTAMP, ...stream.required]) {
    if (columns.get(field)?.length !== 0 || (isDefaultStream(stream.name) && field === 'userAgent')) continue;
    const wanted = [...new Set(sourcesOf(field) ?? [field])].map((name) => JSON.stringify(name)).join(' or ');
    throw new UnreadableFileError(
      `the CSV header has no column ${wanted} for ${field}; its columns are ${listColumns(own)}`,
    );
  }
  const pairs = [...columns].map(([target, names]) =>
    pairOfNames(target, names.length > 0 ? names : (sourcesOf(target) ?? [target])),
  );
  return { pairs };
}

function nameOf({ text, steps: [name, ...others] }: FieldSource): string {
  return typeof name === 'string' && others.length === 0 ? name : text;
}

function findByName(name: string, own: readonly string[], spelt: readonly string[]): string | undefined {
  return own.find((column) => column === name) ?? own[spelt.indexOf(spell(name))];
}

function describeMissing(missing: readonly string[], needed: readonly string[], own: readonly string[]): string {
  const separator = own.length === 1 ? otherSeparator(own[0] ?? '') : '';
  return `the CSV header has no column for ${listOf(missing)}; its columns are ${listColumns(own)}; needed are ${listOf(needed)}, in any order, case and spelling${separator}`;
}

function listColumns(own: readonly string[]): string {
  const shown = own.slice(0, SHOWN_COLUMNS).map((name) => JSON.stringify(name.slice(0, SHOWN_CHARACTERS)));
  const more = own.length > SHOWN_COLUMNS ? ` and ${own.length - SHOWN_COLUMNS} more` : '';
  return `${shown.join(', ')}${more}`;
}

function otherSeparator(row: string): string {
  const separator = separatorOf(row);
  return separator === undefined ? '' : `; columns are separated by commas, not by ${separator.name}`;
}

/** What programs write in place of the comma: a spreadsheet where the comma is the decimal point, and files of tabs. */
const SEPARATORS = [
  { mark: ';', name: 'semicolons' },
  { mark: '\t', name: 'tabs' },
  { mark: '|', name: 'bars' },
] as const;

function separatorOf(row: string): (typeof SEPARATORS)[number] | undefined {
  return SEPARATORS.find(({ mark }) => row.includes(mark));
}

/** Whether a first row would name fields of the stream if another separator were a comma: openCsv says so then. */
export function namesFieldsOtherwise(row: string, stream: Stream): boolean {
  const separator = row.length > MAX_ROW ? undefined : separatorOf(row);
  return separator !== undefined && (row.startsWith('sep=') || namesFields(row.split(separator.mark), stream));
}

/** Of characters: a header is shorter. */
const MAX_ROW = 4_096;

function listOf(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
