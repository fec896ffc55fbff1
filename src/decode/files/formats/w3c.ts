import { escapeBytes } from '../../text/escape-bytes.ts';
import type { AccessFields, AccessLines, LineFormat, LineOptions, LineReader, LineVerdict } from '../line-format.ts';
import { createTimeReader, type ReadTime } from '../log-time.ts';
import { decodePercent, orDash, present, readBytes, readDuration, readStatus } from './field-values.ts';
import { LineCursor } from './line-cursor.ts';
import { malformed, type RequestFields } from './request-target.ts';
import type { Unread } from './text-format.ts';
import {
  type Column,
  type Dialect,
  type Directives,
  dialectOf,
  formatDirectives,
  LOCAL_TIME,
  NO_DIRECTIVES,
  parseDirectives,
  placesOf,
  readDirective,
} from './w3c-columns.ts';

/*
 * The extended log file format of the W3C, as IIS, CloudFront and others write it: the newest `#Fields` names the columns of the lines after
 * it. Columns are separated by tabs or blanks. Dates and times are UTC by the format, whatever the zone of other logs.
 * Sources: W3C working draft WD-logfile; "W3C Extended Log File Format (IIS)"; "Standard logging reference" of CloudFront.
 */
export const W3C = createW3cFormat('w3c');
export const IIS = createW3cFormat('iis');
export const CLOUDFRONT = createW3cFormat('cloudfront');

const HASH = 0x23;
const HALF_DAY_MS = 43_200_000;
const DAY_MS = 86_400_000;

/** `w3c` finds the dialect by the directives; the others are certain of it. */
function createW3cFormat(name: Dialect): LineFormat {
  return {
    name,
    score: (line) => scoreOf(name, line),
    createReader: (options) => new W3cReader(options, name === 'w3c' ? undefined : name),
  };
}

const DATA_SCORE = 0.5;
/** So little that thousands of lines do not outweigh one #Fields directive. */
const LITTLE_MORE = 0.0001;

/** Of a file's lines the directives tell the dialect; the others tell a little of themselves. */
function scoreOf(name: Dialect, line: Buffer): number {
  const text = line.toString('latin1');
  if (line[0] === HASH) {
    if (/^#(?:fields|software)\s*:/i.test(text)) {
      const dialect = dialectOf(readDirective(text, NO_DIRECTIVES) ?? NO_DIRECTIVES);
      return dialect === name ? 1 : name === 'w3c' ? 0.5 : 0.25;
    }
    if (/^#(?:version|date|start-date|end-date|remark)\s*:/i.test(text)) return name === 'w3c' ? 0.75 : 0.5;
    return 0;
  }
  const dialect = /^\d{4}-\d\d-\d\d\t\d\d:\d\d:\d\d\t[A-Z]{3}\d/.test(text)
    ? 'cloudfront'
    : looksLikeIis(text)
      ? 'iis'
      : undefined;
  if (dialect === undefined) return 0;
  return dialect === name ? DATA_SCORE + LITTLE_MORE : name === 'w3c' ? DATA_SCORE : 0;
}

function looksLikeIis(text: string): boolean {
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d /.test(text) && / (?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH) \//.test(text);
}

class W3cReader implements LineReader {
  readonly #named: Dialect | undefined;
  readonly #readTime: ReadTime = createTimeReader(0);
  /** Of columns that are not UTC. */
  readonly #readLocal: ReadTime;
  #directives = NO_DIRECTIVES;
  #places = placesOf([]);
  #dialect: Dialect = 'w3c';

  constructor({ state, zone }: LineOptions, named: Dialect | undefined) {
    this.#named = named;
    this.#readLocal = createTimeReader(zone);
    this.#use(parseDirectives(state));
  }

  get state(): string {
    return formatDirectives(this.#directives);
  }

  read(bytes: Buffer, start: number, end: number, out: AccessLines): LineVerdict {
    const line = escapeBytes(bytes.subarray(start, end));
    if (line.startsWith('#')) return this.#readDirective(line);
    const fields = this.#readLine(line);
    if ('reason' in fields) return fields;
    out.add(fields);
    return 'record';
  }

  #readDirective(line: string): LineVerdict {
    const directives = readDirective(line, this.#directives);
    this.#use(directives ?? { ...this.#directives, fields: [] });
    return directives === undefined ? { reason: 'a #Fields directive of more than 4 KiB' } : 'directive';
  }

  #use(directives: Directives): void {
    this.#directives = directives;
    this.#places = placesOf(directives.fields);
    this.#dialect = this.#named ?? dialectOf(directives);
  }

  #readLine(line: string): AccessFields | Unread {
    const { fields } = this.#directives;
    if (fields.length === 0)
      return { reason: 'no #Fields directive before this line, so its columns are not known; put one before it' };
    const values = splitColumns(line, fields.length);
    if (values === undefined) {
      return { reason: `not as many columns as the last #Fields directive names: expected ${fields.length}` };
    }
    const places = this.#places;
    if (places.stem < 0) return { reason: `no cs-uri-stem among the columns of #Fields: ${listed(fields)}` };
    const timestamp = this.#timeOf(values);
    if (timestamp === undefined) return { reason: this.#timeReason(values) };
    const dialect = this.#dialect;
    const value = (column: Column): string | undefined => present(unquote(values[places[column]], dialect));
    const forwarded = value('forwarded');
    return {
      timestamp,
      ...requestOf(value),
      userAgent: orDash(decodeAgent(value('agent') ?? '', dialect)),
      client: value('client'),
      user: value('user'),
      host: value('host'),
      status: readStatus(value('status')),
      bytes: readBytes(value('bytes')),
      referrer: value('referrer'),
      duration: readDuration(value('duration'), dialect === 'iis' ? 1_000 : 1),
      rest: forwarded === undefined ? undefined : `forwardedfor:${forwarded}`,
    };
  }

  #timeOf(values: readonly string[]): string | undefined {
    const { date, time, unixTime } = this.#places;
    if (time < 0) return this.#readTime(values[unixTime] ?? '');
    const clock = unquote(values[time], 'w3c');
    const day = date < 0 ? this.#dayOf(clock) : unquote(values[date], 'w3c');
    const isLocal = this.#directives.fields[time] === LOCAL_TIME;
    return isLocal ? this.#readLocal(`${day}T${clock}`) : this.#readTime(`${day}T${clock}Z`);
  }

  /** The day of `#Date`, or the next one where the log has gone on past midnight. */
  #dayOf(clock: string): string {
    const since = Date.parse(`${this.#directives.date.replace(' ', 'T')}Z`);
    const day = this.#directives.date.slice(0, '2018-01-01'.length);
    const sameDay = Date.parse(`${day}T${clock}Z`);
    return sameDay < since - HALF_DAY_MS ? new Date(sameDay + DAY_MS).toISOString().slice(0, day.length) : day;
  }

  #timeReason(values: readonly string[]): string {
    const { date, time, unixTime } = this.#places;
    if (time < 0 && unixTime < 0)
      return `no date and time among the columns of #Fields: ${listed(this.#directives.fields)}`;
    if (date < 0 && time >= 0 && this.#directives.date === '')
      return 'no date: neither a column of #Fields nor a #Date directive';
    const found = [values[date], values[time] ?? values[unixTime]].filter((value) => value !== undefined);
    return `invalid time ${JSON.stringify(found.join(' ').slice(0, 64))}`;
  }
}

const MAX_LISTED = 40;

function listed(fields: readonly string[]): string {
  return fields.slice(0, MAX_LISTED).join(' ').slice(0, 1_024);
}

/** The values of a line, as many as there are columns; undefined where it has more or fewer: then none is certain. */
function splitColumns(line: string, count: number): readonly string[] | undefined {
  if (line.includes('\t')) {
    const byTabs = line.split('\t');
    if (byTabs.length === count) return byTabs;
  }
  const byBlanks = (line.includes('\t') ? line.replaceAll('\t', ' ') : line).split(' ').filter((value) => value !== '');
  if (byBlanks.length === count) return byBlanks;
  const cursor = new LineCursor(line);
  const quoted: string[] = [];
  while (cursor.peek() !== '' && quoted.length <= count) {
    quoted.push(cursor.quoted({ raw: true })?.replaceAll('""', '"') ?? cursor.word());
  }
  return quoted.length === count ? quoted : undefined;
}

/** Software that follows the draft writes texts in quotes, and a quote inside twice. */
function unquote(value: string | undefined, dialect: Dialect): string {
  if (value === undefined || dialect !== 'w3c' || value.length < 2 || !value.startsWith('"')) return value ?? '';
  return value.endsWith('"') ? value.slice(1, -1).replaceAll('""', '"') : value;
}

function requestOf(value: (column: Column) => string | undefined): RequestFields {
  const stem = value('stem');
  if (stem === undefined) return malformed('-');
  const query = value('query');
  return {
    path: query === undefined || stem.includes('?') ? stem : `${stem}?${query.replace(/^\?/, '')}`,
    method: value('method'),
    protocol: value('protocol'),
  };
}

/** Blanks of an agent as blanks. Software of the draft writes them as `%20`, as `+`, or, between quotes or tabs, as they are. */
function decodeAgent(agent: string, dialect: Dialect): string {
  if (dialect === 'iis') return agent.replaceAll('+', ' ').replaceAll('%20', ' ');
  if (agent.includes('%20') || dialect === 'cloudfront') {
    const decoded = decodePercent(agent);
    // CloudFront encoded twice until 2019: %2520.
    return decoded.includes('%20') && !decoded.includes(' ') ? decodePercent(decoded) : decoded;
  }
  return agent.includes(' ') ? agent : agent.replaceAll('+', ' ');
}
