import type { FieldPair } from '../../model/field-map.ts';
import { withoutPort } from './client-address.ts';
import { exactTime, isBent, pairToken } from './json-members.ts';
import type { JsonObject } from './json-text.ts';
import type { AccessFields } from './line-format.ts';
import type { LogTime } from './log-time.ts';
import { splitRequest } from './request-line.ts';

/** What a line of JSON says of a request, as JSON.parse made it. undefined: nothing. */
export interface AccessValues {
  readonly timestamp?: unknown;
  /** The target, with or without its query. */
  readonly path?: unknown;
  /** The query, where it stands apart. */
  readonly query?: unknown;
  /** The request line. It counts more than `path`. */
  readonly request?: unknown;
  readonly userAgent?: unknown;
  readonly client?: unknown;
  readonly user?: unknown;
  readonly host?: unknown;
  readonly method?: unknown;
  readonly protocol?: unknown;
  readonly status?: unknown;
  readonly bytes?: unknown;
  readonly referrer?: unknown;
  /** In `durationUnit`, if it names none. */
  readonly duration?: unknown;
  readonly rest?: unknown;
}

export type ValueName = keyof AccessValues;

/** Where each of them stands in an object. */
export type ValueSources = { readonly [Name in ValueName]?: FieldPair };

export function readValues(sources: ValueSources, object: JsonObject): AccessValues {
  const { value } = object;
  const time = sources.timestamp;
  const timestamp = time?.read(value);
  // Written out: an object that is filled by name takes twice the time.
  return {
    timestamp: isBent(timestamp) && time !== undefined ? exactTime(timestamp, pairToken(time, object)) : timestamp,
    path: sources.path?.read(value),
    query: sources.query?.read(value),
    request: sources.request?.read(value),
    userAgent: sources.userAgent?.read(value),
    client: sources.client?.read(value),
    user: sources.user?.read(value),
    host: sources.host?.read(value),
    method: sources.method?.read(value),
    protocol: sources.protocol?.read(value),
    status: sources.status?.read(value),
    bytes: sources.bytes?.read(value),
    referrer: sources.referrer?.read(value),
    duration: sources.duration?.read(value),
    rest: sources.rest?.read(value),
  };
}

export type DurationUnit = 'ns' | 'ms' | 's';

/** What values mean that do not say it. */
export interface Meaning {
  readonly durationUnit: DurationUnit;
  /** Of a URL as path its path is taken, and its host. */
  readonly splitsUrls: boolean;
}

export interface ReadContext {
  readonly time: LogTime;
  readonly fields: 'all' | 'core';
}

/** The name of the field that a line does not have, or whose value cannot be read. */
export interface AccessFault {
  readonly fault: 'timestamp' | 'path';
  /** undefined: the line does not have it. */
  readonly value: unknown;
}

/** The fields of a record; `-` for a user agent that is absent or empty. Optional values that cannot be read are left out. */
export function readAccessFields(
  values: AccessValues,
  meaning: Meaning,
  { time, fields }: ReadContext,
): AccessFields | AccessFault {
  const timestamp = time.read(values.timestamp);
  if (timestamp === undefined) return { fault: 'timestamp', value: values.timestamp ?? undefined };
  const request = readTarget(values, meaning.splitsUrls);
  if (request === undefined) return { fault: 'path', value: values.path ?? undefined };
  const userAgent = textOf(values.userAgent)?.trim() || '-';
  if (fields === 'core') return { timestamp, path: request.path, userAgent };
  return {
    timestamp,
    path: request.path,
    userAgent,
    client: addressOf(values.client),
    user: nameOf(values.user),
    host: nameOf(values.host) ?? request.host,
    method: nameOf(values.method) ?? request.method,
    protocol: protocolOf(values.protocol) ?? request.protocol,
    status: statusOf(values.status),
    bytes: bytesOf(values.bytes),
    referrer: nameOf(values.referrer),
    duration: secondsOf(values.duration, meaning.durationUnit),
    rest: nameOf(values.rest),
    malformed: request.malformed,
  };
}

/** Whether a record with these fields has one that is stored under this name. */
export function hasStored(fields: AccessFields, name: string): boolean {
  if (name === 'duration') return false;
  const field = name === 'durationSeconds' ? 'duration' : name;
  return Object.hasOwn(fields, field) && fields[field as keyof AccessFields] !== undefined;
}

/** The target of the request, and what else its text says. */
interface Target {
  readonly path: string;
  readonly host?: string | undefined;
  readonly method?: string | undefined;
  readonly protocol?: string | undefined;
  readonly malformed?: true | undefined;
}

const NO_TARGET: Target = { path: '-', malformed: true };
const ENDS_WITH_PROTOCOL = / HTTP\/\d(?:\.\d)?$/;

function readTarget({ request, path, query, method }: AccessValues, splitsUrls: boolean): Target | undefined {
  const line = textOf(request)?.trim();
  const target = textOf(path)?.trim();
  if (line === undefined && target === undefined) return undefined;
  const isThere = target !== undefined && target !== '' && target !== '-';
  const isLine = line !== undefined && !(isThere && (line === '' || line === '-'));
  if (isLine) {
    const read = readRequest(line, query, method);
    // Where a target stands beside it, what is no request line is the id of a request, or its body.
    if (read.malformed === undefined || !target?.startsWith('/')) return read;
  }
  if (!isThere) return NO_TARGET;
  const split = target.includes(' HTTP/') && ENDS_WITH_PROTOCOL.test(target) ? splitRequest(target) : undefined;
  if (split !== undefined && !('malformed' in split)) return split;
  return splitsUrls ? splitUrl(withQuery(target, query)) : { path: withQuery(target, query) };
}

/** Some write the target alone where others have the request line, and the method beside it. */
function readRequest(line: string, query: unknown, method: unknown): Target {
  const split = splitRequest(line);
  const isTarget = 'malformed' in split && line.startsWith('/') && nameOf(method) !== undefined;
  return isTarget ? { path: withQuery(line, query) } : split;
}

function withQuery(target: string, query: unknown): string {
  const text = nameOf(query);
  if (text === undefined || target.includes('?')) return target;
  return text.startsWith('?') ? target + text : `${target}?${text}`;
}

const URL_HEAD = /^https?:\/\/([^/?#]*)/;

function splitUrl(target: string): Target {
  const head = URL_HEAD.exec(target);
  if (head === null) return { path: target };
  const rest = target.slice(head[0].length);
  return { path: rest.startsWith('/') ? rest : `/${rest}`, host: head[1] === '' ? undefined : head[1] };
}

/** A text, number or boolean as text; of a list its first element. undefined for anything else. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return Array.isArray(value) && !Array.isArray(value[0]) ? textOf(value[0]) : undefined;
}

/** undefined for an empty text and `-`, too. */
function nameOf(value: unknown): string | undefined {
  const text = textOf(value)?.trim();
  return text === '' || text === '-' ? undefined : text;
}

function addressOf(value: unknown): string | undefined {
  const text = nameOf(value);
  return text === undefined ? undefined : withoutPort(text);
}

/** Some write the version alone, and Azure with four parts. */
function protocolOf(value: unknown): string | undefined {
  const text = nameOf(value)?.replace(/^(\d\.\d)\.0\.0$/, '$1');
  return text !== undefined && /^\d/.test(text) ? `HTTP/${text}` : text;
}

const NUMBER = /^\d{1,20}(?:\.\d{1,40})?$/;

/** A number of at least 0, or a text of its digits. */
function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value >= 0 && Number.isFinite(value) ? value : undefined;
  const text = nameOf(value);
  return text !== undefined && NUMBER.test(text) ? Number(text) : undefined;
}

/** 0 and 000 stand for none, and so does the 009 that nginx has for HTTP/0.9. */
function statusOf(value: unknown): number | undefined {
  const status = numberOf(value);
  return status !== undefined && Number.isInteger(status) && status >= 100 && status < 1_000 ? status : undefined;
}

function bytesOf(value: unknown): number | undefined {
  const bytes = numberOf(value);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** In a second. To divide by a power of ten rounds once; to multiply by a fraction would twice. */
const PARTS: Readonly<Record<string, number>> = { ns: 1e9, us: 1e6, µs: 1e6, μs: 1e6, ms: 1e3, s: 1 };
const SECONDS: Readonly<Record<string, number>> = { m: 60, h: 3600 };
const WITH_UNIT = /^(?:\d{1,20}(?:\.\d{1,40})?(?:ns|us|µs|μs|ms|s|m|h)){1,6}$/;
const PART = /([\d.]+)([a-zµμ]+)/g;
/** Digits that a sum or quotient keeps: a double has 15. */
const DIGITS = 12;

/** A number in `unit`, or a text with units as Go writes it: `0.1s`, `12ms`, `1m2.5s`. */
export function secondsOf(value: unknown, unit: DurationUnit): number | undefined {
  const number = numberOf(value);
  if (number !== undefined) return round(number / (PARTS[unit] as number));
  const text = nameOf(value);
  if (text === undefined || !WITH_UNIT.test(text)) return undefined;
  let seconds = 0;
  for (const [, digits, name = ''] of text.matchAll(PART)) {
    seconds += (Number(digits) * (SECONDS[name] ?? 1)) / (PARTS[name] ?? 1);
  }
  return round(seconds);
}

function round(seconds: number): number {
  return Number(seconds.toPrecision(DIGITS));
}
