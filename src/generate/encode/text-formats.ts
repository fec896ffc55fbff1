import { FRAME_KINDS } from '../../lines/frame-header.ts';
import { EncodeError, type Encoding, type GeneratedRecord } from '../generate.ts';
import { formatTime } from '../records/records.ts';
import { partsOf } from './parts.ts';
import { severityOf } from './severity.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
const LOCAL0 = 16;
const PROCESS_ID = 4711;
const HOST = 'localhost';

function textEncoding(toText: (record: GeneratedRecord) => string, stamp: (at: number) => string): Encoding {
  return { kind: FRAME_KINDS.text, head: '', encode: (record) => Buffer.from(toText(record)), stamp };
}

/**
 * `ts [LEVEL] [service] message`. A record with user, request and duration is `ts [LEVEL] service [request] [user] (12ms): message`. Other
 * fields have no place in it.
 */
export const rawEncoding = textEncoding(({ at, fields }) => {
  const { level, service, message } = partsOf(fields);
  const { request_id: request, user_id: user, duration } = fields;
  const begin = `${formatTime(at)} [${level}]`;
  if (request === undefined || user === undefined || duration === undefined) return `${begin} [${service}] ${message}`;
  return `${begin} ${service} [${request}] [${user}] (${duration}ms): ${message}`;
}, formatTime);

/** RFC 5424; further fields are structured data under the example number of RFC 5612. */
export const syslog5424Encoding = textEncoding(({ at, fields }) => {
  const { level, service, message, rest } = partsOf(fields);
  const parameters = rest.map(([name, value]) => `${name}="${String(value).replace(/["\\\]]/g, '\\$&')}"`);
  const data = parameters.length === 0 ? '-' : `[fields@32473 ${parameters.join(' ')}]`;
  return `${priority(level)}1 ${formatTime(at)} ${HOST} ${service} ${PROCESS_ID} - ${data} ${message}`;
}, formatTime);

/** RFC 3164 as its senders write it, in UTC. Further fields have no place in it. */
export const syslog3164Encoding = textEncoding(({ at, fields }) => {
  const { level, service, message } = partsOf(fields);
  return `${priority(level)}${formatBsdTime(at)} ${HOST} ${service}[${PROCESS_ID}]: ${message}`;
}, formatBsdTime);

/** Access logs in the combined format of Apache and nginx. */
export const combinedEncoding = textEncoding(({ at, fields }) => {
  const { path, userAgent, method, status, bytes, clientIp } = fields;
  if (path === undefined || userAgent === undefined)
    throw new EncodeError('combined has no place for this record: expected the fields path and userAgent');
  const request = `${method ?? 'GET'} ${quoted(path)} HTTP/1.1`;
  const host = clientIp ?? '-';
  return `${host} - - [${formatLogTime(at)}] "${request}" ${status ?? 200} ${bytes ?? '-'} "-" "${quoted(userAgent)}"`;
}, formatLogTime);

function priority(level: Parameters<typeof severityOf>[0]): string {
  return `<${LOCAL0 * 8 + severityOf(level)}>`;
}

function quoted(value: string | number): string {
  return String(value).replace(/["\\]/g, '\\$&');
}

/** `Jul  2 17:00:01` */
function formatBsdTime(at: number): string {
  const date = new Date(at);
  return `${MONTHS[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)} ${date.toISOString().slice(11, 19)}`;
}

/** `02/Jul/2025:17:00:01 +0000` */
function formatLogTime(at: number): string {
  const date = new Date(at);
  const text = date.toISOString();
  return `${text.slice(8, 10)}/${MONTHS[date.getUTCMonth()]}/${text.slice(0, 4)}:${text.slice(11, 19)} +0000`;
}

/** Rows of the columns `names`, below a header. A record that lacks one has nothing there. */
export function csvEncoding(names: readonly string[]): Encoding {
  const head = `${names.map(cell).join(',')}\n`;
  return {
    kind: FRAME_KINDS.text,
    head,
    encode: ({ fields }) => Buffer.from(names.map((name) => cell(fields[name] ?? '')).join(',')),
    stamp: formatTime,
    body: { contentType: 'text/csv', around: (_payloads, index) => [index === 0 ? head : '', '\n'] },
  };
}

function cell(value: string | number): string {
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
