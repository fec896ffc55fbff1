import { parseTimestamp } from '../../lines/timestamp.ts';
import { readBsdTime, toTimestamp, withZone } from './bsd-time.ts';
import { readStructuredData } from './structured-data.ts';
import { type TextContext, type TextRecord, toTextRecord } from './text-record.ts';

/** By their numbers, RFC 5424 table 1; the names are those of syslog(3) where it has some. */
export const FACILITIES = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'],
  ...['ntp', 'audit', 'alert', 'clock', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
];
export const LEVELS_PER_FACILITY = 8;

/** The service of a message that names none. */
export const SYSLOG_SERVICE = 'syslog';

const PRI = /^<(\d{1,3})>/;
/** RFC 5424, 6: VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID, and what follows. */
const HEADER = /^1 (-|\d{4}-\d\d-\d\d[Tt]\S{1,53}) (\S{1,255}) (\S{1,255}) (\S{1,255}) (\S{1,255}) /;
/**
 * RFC 3164, 4.1.3: the tag ends at a bracket or a colon. `name[pid]:`, `name[pid] ` or `name: `. Digits alone are the number that routers give
 * a message, and no name.
 */
const TAG = /^(?!\d+:|<)([^\s:[\]]{1,255})(?:\[([^\]]{0,64})\](?:: ?|(?: |$))|:(?:\s|$))/;
/** Firewalls have the host's name in front of a colon of its own. */
const COLON_AFTER_HOST = /^: +/;
const TOKEN = /^(\S+)(?: |$)/;
const NIL = '-';
const BYTE_ORDER_MARK = '\ufeff';

interface Header {
  readonly timestamp: string | undefined;
  readonly host: string | undefined;
  readonly service: string | undefined;
  readonly pid: string | undefined;
  readonly messageId?: string | undefined;
  /** As JSON. */
  readonly structuredData?: string | undefined;
  readonly message: string;
}

/** Whether a text begins as a message of syslog does: with its priority. */
export function isSyslog(text: string): boolean {
  const match = PRI.exec(text);
  return match !== null && Number(match[1]) < FACILITIES.length * LEVELS_PER_FACILITY;
}

/**
 * Reads a message of RFC 5424, or of RFC 3164 as its senders write it: with a year, a fraction or an RFC 3339 time in place of its own, without
 * host, tag or time. A text without a priority, as files have it, has none of its own either.
 */
export function readSyslog(text: string, context: TextContext): TextRecord {
  const pri = isSyslog(text) ? PRI.exec(text) : null;
  const rest = text.slice(pri?.[0].length ?? 0);
  const priority = pri === null ? undefined : Number(pri[1]);
  const header = read5424(rest, context) ?? read3164(rest, context);
  const { timestamp, host, service, pid, messageId, structuredData, message } = header;
  const facility = priority === undefined ? undefined : FACILITIES[Math.floor(priority / LEVELS_PER_FACILITY)];
  const more: [string, string][] = [];
  const add = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== '') more.push([name, JSON.stringify(value)]);
  };
  add('facility', facility);
  add('host', host);
  add('pid', pid);
  add('messageId', messageId);
  if (structuredData !== undefined) more.push(['structuredData', structuredData]);
  const level = priority === undefined ? undefined : String(priority % LEVELS_PER_FACILITY);
  return toTextRecord('syslog', { timestamp, level, message, service, more }, context, SYSLOG_SERVICE);
}

function read5424(text: string, context: TextContext): Header | undefined {
  const match = HEADER.exec(text);
  if (match === null) return undefined;
  const [whole, timestamp = NIL, host = NIL, app = NIL, pid = NIL, messageId = NIL] = match;
  // Of a sender that has a time the header is certain, and broken structured data are the beginning of its message.
  const data =
    readStructuredData(text, whole.length) ?? (timestamp === NIL ? undefined : { json: undefined, end: whole.length });
  if (data === undefined) return undefined;
  const message = text.slice(data.end).replace(/^ /, '');
  return {
    timestamp: orNothing(withZone(timestamp, context)),
    host: orNothing(host),
    service: orNothing(app),
    pid: orNothing(pid),
    messageId: orNothing(messageId),
    structuredData: data.json,
    message: message.startsWith(BYTE_ORDER_MARK) ? message.slice(1) : message,
  };
}

function read3164(text: string, context: TextContext): Header {
  const time = readTime(text, context);
  const rest = text.slice(time?.length ?? 0).replace(/^:? +/, '');
  // Without a time there is no host either: programs on the same machine leave both out.
  const host = time === undefined || TAG.test(rest) ? null : TOKEN.exec(rest);
  const afterHost = host === null ? rest : rest.slice(host[0].length).replace(COLON_AFTER_HOST, '');
  const tag = TAG.exec(afterHost);
  return {
    timestamp: time?.timestamp,
    host: host?.[1],
    service: tag?.[1],
    pid: tag?.[2],
    message: afterHost.slice(tag?.[0].length ?? 0),
  };
}

function readTime(
  text: string,
  context: TextContext,
): { readonly timestamp: string; readonly length: number } | undefined {
  const bsd = readBsdTime(text);
  if (bsd !== undefined) {
    const timestamp = toTimestamp(bsd.time, context);
    return timestamp === undefined ? undefined : { timestamp, length: bsd.length };
  }
  const token = TOKEN.exec(text)?.[1] ?? '';
  const instant = parseTimestamp(withZone(token, context));
  return instant === undefined ? undefined : { timestamp: instant.text, length: token.length };
}

function orNothing(value: string): string | undefined {
  return value === NIL ? undefined : value;
}
