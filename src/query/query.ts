import { type Instant, parseTimestamp } from '../lines/timestamp.ts';
import { type Hour, hourToIso, MAX_HOUR, MIN_HOUR, parseHour, type StreamHour } from '../model/hour.ts';
import { ACCESS_STREAM, type StreamName } from '../model/stream.ts';
import type { CommittedHour } from '../repo/repo.ts';
import { type Condition, fieldFault, MAX_CONDITIONS, parseCondition } from './conditions.ts';

/** A question for stored records. It can be sent to another thread. */
export interface RecordQuery {
  readonly stream: StreamName;
  /** Only records of this instant or later; undefined: from the first. */
  readonly from: Instant | undefined;
  /** Only records before this instant; undefined: to the last. */
  readonly to: Instant | undefined;
  /** All must hold. */
  readonly where: readonly Condition[];
  /** Text in the stored line; undefined: any. */
  readonly contains: string | undefined;
  /** Regular expression (RE2) that the stored line matches somewhere; undefined: any. */
  readonly matches: string | undefined;
  /** The fields to give, in this order; undefined: the stored line, or for CSV the fields that every record of the stream has. */
  readonly fields: readonly string[] | undefined;
  /** Records to give at most; Infinity: all. */
  readonly limit: number;
  /** By hours, and inside an hour as stored. `desc`: the same from the end. */
  readonly order: 'asc' | 'desc';
  readonly format: 'ndjson' | 'csv';
}

/** An hour whose committed lines cannot be looked up, as where others put a file in its place. Its length is not known. */
export interface LostHour extends StreamHour {
  readonly reason: string;
}

/** An hour of a query. It can be sent to another thread. */
export type QueryHour = CommittedHour | LostHour;

/** A part of an hour that cannot be read. The records in it are missing from an answer. */
export interface DamagedPart {
  readonly stream: StreamName;
  readonly hour: Hour;
  /** In the plain lines. No bytes: the whole hour, of which not even the length is known. */
  readonly offset: number;
  readonly bytes: number;
  /** In the file, where a frame of it is damaged. */
  readonly position?: number | undefined;
  readonly reason: string;
}

/** A piece of an answer: whole lines. */
export interface RecordsPiece {
  readonly kind: 'piece';
  readonly bytes: Uint8Array;
  /** Nothing follows. */
  readonly isLast: boolean;
  /** Found since the piece before; of an answer the first thousand. */
  readonly damaged: readonly DamagedPart[];
  /** How many others were found since the piece before. */
  readonly moreDamaged: number;
}

/** The end of a query before its last piece. `busy`: it waited too long for others to end; `timeout`: it took too long itself. */
export interface FailedQuery {
  readonly kind: 'failed';
  readonly why: 'busy' | 'timeout' | 'failed';
  /** For people. */
  readonly detail: string;
}

/** `refused`: a parameter cannot be used, and what it must be. `busy`: too many queries wait. */
export type OpenedQuery =
  | { readonly kind: 'open'; readonly id: number }
  | { readonly kind: 'refused'; readonly parameter: string; readonly rule: string }
  | { readonly kind: 'busy'; readonly detail: string };

/** Why a reader does not want the rest: it went away, or it read too slowly. */
export type QueryStop = 'stopped' | 'slow';

/**
 * Queries over stored records. Each runs only while its reader waits for the next piece, so a reader that does not ask costs no work and
 * at most one piece of memory. Arguments and results can be sent to another thread.
 */
export interface Records {
  /** A query that is open is closed by its reader, unless it has given its last piece or failed. */
  open(query: RecordQuery): Promise<OpenedQuery>;
  /** The next piece, as soon as there are some records or the end. One call at a time. */
  next(id: number): Promise<RecordsPiece | FailedQuery>;
  /** Has no effect on a query that has ended. */
  close(end: { readonly id: number; readonly why: QueryStop }): Promise<void>;
}

/** A query as parameters or flags give it: texts by name. Those of `where` may be many. */
export interface QueryTexts {
  readonly stream?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly where?: readonly string[] | undefined;
  readonly contains?: string | undefined;
  readonly matches?: string | undefined;
  readonly fields?: string | undefined;
  readonly limit?: string | undefined;
  readonly order?: string | undefined;
}

/** A text that cannot be used: the name it has, and the rule that it breaks (`must be …`). */
export class QueryTextError extends Error {
  override readonly name = 'QueryTextError';
  readonly parameter: keyof QueryTexts;

  constructor(parameter: keyof QueryTexts, rule: string) {
    super(rule);
    this.parameter = parameter;
  }
}

export const DEFAULT_LIMIT = 1_000;
export const MAX_LIMIT = 10_000_000;
const MAX_TEXT_CHARACTERS = 4_096;
const MAX_PATTERN_CHARACTERS = 1_024;
const MAX_FIELDS = 64;

/** Reads a query. Whether the stream exists, and the pattern is valid, is for others to say. Throws QueryTextError. */
export function readRecordQuery(texts: QueryTexts, format: RecordQuery['format']): RecordQuery {
  const { stream = ACCESS_STREAM.name, where = [], contains, matches } = texts;
  const from = readInstant('from', texts.from);
  const to = readInstant('to', texts.to);
  if (from !== undefined && to !== undefined && toSortable(to) <= toSortable(from))
    throw new QueryTextError('to', 'must be later than from');
  if (contains !== undefined && /[\r\n]/.test(contains)) throw new QueryTextError('contains', 'must be one line');
  checkLength('contains', contains, MAX_TEXT_CHARACTERS);
  checkLength('matches', matches, MAX_PATTERN_CHARACTERS);
  return {
    stream,
    from,
    to,
    where: readConditions(where),
    contains: contains === '' ? undefined : contains,
    matches: matches === '' ? undefined : matches,
    fields: readFields(texts.fields),
    limit: readLimit(texts.limit),
    order: readOrder(texts.order),
    format,
  };
}

/** The hours that a query is about: [from, to). */
export function hoursOf({ from, to }: Pick<RecordQuery, 'from' | 'to'>): { readonly from: Hour; readonly to: Hour } {
  if (to === undefined) return { from: from?.hour ?? MIN_HOUR, to: MAX_HOUR + 1 };
  return { from: from?.hour ?? MIN_HOUR, to: to.text === hourToIso(to.hour) ? to.hour : to.hour + 1 };
}

/** A stored timestamp without its Z. Two of them compare as texts, and as bytes, as their instants do. */
export function toSortable({ text }: Instant): string {
  return text.slice(0, -1);
}

const INSTANT_RULE =
  'must be a time such as 2015-05-17T10:05:03Z, an hour such as 2015-05-17T10, or a day such as 2015-05-17';

function readInstant(parameter: 'from' | 'to', text: string | undefined): Instant | undefined {
  if (text === undefined || text === '') return undefined;
  const hour = parseHour(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00` : text);
  const instant = hour === undefined ? parseTimestamp(text) : { hour, text: hourToIso(hour) };
  if (instant === undefined) throw new QueryTextError(parameter, `${INSTANT_RULE}, is ${JSON.stringify(text)}`);
  return instant;
}

function readConditions(texts: readonly string[]): readonly Condition[] {
  if (texts.length > MAX_CONDITIONS) throw new QueryTextError('where', `must be given at most ${MAX_CONDITIONS} times`);
  return texts.map((text) => {
    const condition = parseCondition(text);
    if (typeof condition === 'string') throw new QueryTextError('where', `${condition}, is ${JSON.stringify(text)}`);
    return condition;
  });
}

function readFields(text: string | undefined): readonly string[] | undefined {
  if (text === undefined || text === '') return undefined;
  const fields = text.split(',').map((field) => field.trim());
  if (fields.length > MAX_FIELDS) throw new QueryTextError('fields', `must name at most ${MAX_FIELDS} fields`);
  for (const field of fields) {
    const fault = fieldFault(field);
    if (fault !== undefined) throw new QueryTextError('fields', `${fault} between commas`);
  }
  if (new Set(fields).size < fields.length) throw new QueryTextError('fields', 'must name each field once');
  return fields;
}

function readLimit(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_LIMIT;
  if (text === 'all') return Number.POSITIVE_INFINITY;
  const limit = /^\d{1,8}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new QueryTextError(
    'limit',
    `must be a whole number from 1 to ${MAX_LIMIT}, or all, is ${JSON.stringify(text)}`,
  );
}

function readOrder(text: string | undefined): RecordQuery['order'] {
  if (text === undefined || text === '' || text === 'asc') return 'asc';
  if (text === 'desc') return 'desc';
  throw new QueryTextError('order', `must be asc or desc, is ${JSON.stringify(text)}`);
}

function checkLength(parameter: 'contains' | 'matches', text: string | undefined, limit: number): void {
  if (text !== undefined && text.length > limit)
    throw new QueryTextError(parameter, `must have at most ${limit} characters, has ${text.length}`);
}
