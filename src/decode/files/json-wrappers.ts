import { BYTES } from '../../model/bytes.ts';
import { isOwnRecord } from './json-log.ts';
import { readUsualNames } from './json-names.ts';
import { findShape } from './json-shapes.ts';
import { type JsonObject, readJsonObject } from './json-text.ts';

const { NEWLINE, OPEN_BRACE, RETURN } = BYTES;

/*
 * Lines that others have put into JSON: https://docs.docker.com/engine/logging/drivers/json-file/ , systemd's journal, fluentd and its
 * relatives, Filebeat, Logstash, Splunk, Graylog, Loki, Google's logs, Caddy 2.0 to 2.4.
 */

export interface Unwrapped {
  /** Without its newline. Memory of its own. */
  readonly text: Buffer;
  /** The line goes on in the next one of the same stream: a container's runtime cuts lines of more than 16 KiB. See PartJoiner. */
  readonly part: boolean;
  /** `stdout`, `stderr`; empty where the line does not say. */
  readonly stream: string;
}

interface Member {
  readonly name: string;
  /** The name of the object that it stands in, in the line's own. */
  readonly within?: string;
  /** Also a name of any text: one without a time is none of an access log. */
  readonly isAnyText?: true;
  /** Also the name of what a program says beside the request that its object tells of. */
  readonly isMessage?: true;
}

/** What has a line in it, the more certain first. */
const MEMBERS: readonly Member[] = [
  { name: 'log' },
  { name: 'MESSAGE' },
  { name: 'textPayload' },
  { name: 'common_log' },
  { name: 'original', within: 'event', isAnyText: true },
  { name: '_raw', isAnyText: true },
  { name: '_raw', within: 'result', isAnyText: true },
  { name: '@message', isAnyText: true },
  { name: 'message', isAnyText: true },
  { name: 'short_message', isAnyText: true, isMessage: true },
  { name: 'msg', isAnyText: true, isMessage: true },
  { name: 'line', isAnyText: true, isMessage: true },
];

/** The names that stand in a line of JSON with another line in it. */
export const WRAPPER_NAMES: readonly string[] = [...new Set(MEMBERS.map(({ name }) => name))];

/** An object, a time of day, or a Unix time. */
const HAS_TIME = /^\s*\{|\d\d:\d\d|\d{9}/;
/** All members that Docker writes. */
const OF_DOCKER = new Set(['log', 'stream', 'time', 'attrs']);

/** What a line of JSON has of another line; undefined where it has none, or is a record of its own. */
export function unwrapJson(line: Buffer): Unwrapped | undefined {
  if (line[0] !== OPEN_BRACE) return undefined;
  const object = readJsonObject(line, 0, line.length);
  if ('reason' in object) return undefined;
  const { value } = object;
  const found = findText(value);
  if (found === undefined || isRecord(object, found)) return undefined;
  const { text } = found;
  const { stream } = value;
  return {
    text: text.subarray(0, endOfLine(text)),
    part: isPart(value, text),
    stream: typeof stream === 'string' ? stream : '',
  };
}

interface Found {
  readonly text: Buffer;
  /** See Member. */
  readonly isMessage: boolean;
}

function findText(value: JsonObject['value']): Found | undefined {
  for (const { name, within, isAnyText, isMessage = false } of MEMBERS) {
    const owner = within === undefined ? value : value[within];
    const text = isObject(owner) ? toBytes(owner[name]) : undefined;
    if (text === undefined) continue;
    if (isAnyText === undefined || HAS_TIME.test(text.toString('latin1', 0, LINE_START_BYTES)))
      return { text, isMessage };
  }
  return undefined;
}

function isObject(value: unknown): value is JsonObject['value'] {
  return typeof value === 'object' && value !== null;
}

/** The journal has texts that are not UTF-8 as lists of their bytes. */
function toBytes(value: unknown): Buffer | undefined {
  if (typeof value === 'string') return value === '' ? undefined : Buffer.from(value);
  return Array.isArray(value) && value.length > 0 && value.every(isByte) ? Buffer.from(value) : undefined;
}

function isByte(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xff;
}

/**
 * Whether the object tells of a request itself, and the text is its message. Usual names are also those of the file that a line comes from: then
 * the text has the request.
 */
function isRecord(object: JsonObject, { text, isMessage }: Found): boolean {
  if (isOwnRecord(object) || findShape(object) !== undefined) return true;
  const usual = readUsualNames(object);
  if (usual === undefined || text[0] === OPEN_BRACE) return false;
  const { request, method, status, userAgent } = usual.values;
  const isOfFile = usual.names.path === 'path' && !isMessage;
  const tellsOfRequest = !isOfFile || (request ?? method ?? status ?? userAgent) !== undefined;
  return tellsOfRequest && !LOG_TIME.test(text.toString('latin1', 0, LINE_START_BYTES));
}

/** The time of an access log, which a message about a request has not. */
const LOG_TIME = /\[\d\d?\/[A-Z][a-z]{2}\/\d{4}[: ]/;
/** Before the time may stand a list of proxies as long as a head of HTTP. */
const LINE_START_BYTES = 8 * 1_024;
/** Docker cuts lines at its buffer's size; bytes that are not UTF-8 take more in JSON. */
const DOCKER_PART_BYTES = 16 * 1024;

/**
 * Docker ends a whole line with its newline, and what it cut has the size of its buffer: others who write in its form leave the newline out.
 * Those who write `logtag`, or `_p` (Fluent Bit), have it from the kubelet: F or P. Docker's drivers for journald and fluentd say it themselves.
 */
function isPart(value: JsonObject['value'], text: Buffer): boolean {
  const { stream, _p, logtag = _p, CONTAINER_PARTIAL_MESSAGE, partial_message, partial_last } = value;
  if (logtag !== undefined) return logtag === 'P';
  if (CONTAINER_PARTIAL_MESSAGE === 'true' || partial_message === 'true') return partial_last !== 'true';
  const isDocker = stream !== undefined && Object.keys(value).every((name) => OF_DOCKER.has(name));
  return isDocker && text.length >= DOCKER_PART_BYTES && text.at(-1) !== NEWLINE;
}

function endOfLine(text: Buffer): number {
  const end = text.at(-1) === NEWLINE ? text.length - 1 : text.length;
  return text[end - 1] === RETURN ? end - 1 : end;
}
