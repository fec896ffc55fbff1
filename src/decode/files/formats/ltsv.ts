import type { ReadTime } from '../log-time.ts';
import { splitRequest } from '../request-line.ts';
import { unescapeLog } from '../unescape.ts';
import { orDash, present, readBytes, readDuration, readStatus, shown } from './field-values.ts';
import { malformed, type RequestFields } from './request-target.ts';
import { createTextFormat } from './text-format.ts';

/*
 * Labeled tab-separated values: `label:value`, tab, `label:value`. Labels are those of ltsv.org and those that configurations of nginx,
 * Apache and h2o use in common. Of several labels with one meaning the first one in this table counts that has a value.
 */
const LABELS = {
  time: [
    'time',
    'time_local',
    'time_iso8601',
    'timestamp',
    '@timestamp',
    'datetime',
    'msec',
    'unixtime',
    'epoch',
    'ts',
  ],
  date: ['date'],
  request: ['req', 'request', 'request_line'],
  method: ['method', 'request_method', 'req_method'],
  target: ['uri', 'request_uri', 'path', 'url', 'request_path', 'request_url'],
  query: ['query', 'query_string', 'args'],
  protocol: ['protocol', 'server_protocol', 'proto'],
  status: ['status', 'status_code', 'code', 'response_code'],
  bytes: ['size', 'body_bytes_sent', 'bytes_sent', 'bytes', 'body_bytes', 'response_size'],
  agent: ['ua', 'user_agent', 'useragent', 'http_user_agent', 'user-agent', 'agent'],
  referrer: ['referer', 'referrer', 'http_referer', 'ref'],
  user: ['user', 'remote_user'],
  identity: ['ident'],
  client: ['remote_addr', 'remote_host', 'remote_ip', 'client_ip', 'clientip', 'client', 'ip', 'addr'],
  /** The client, as ltsv.org has it, unless another label names that. */
  clientOrHost: ['host'],
  forwarded: ['forwardedfor', 'x_forwarded_for', 'http_x_forwarded_for', 'xff'],
  host: ['vhost', 'http_host', 'server_name', 'domain'],
} as const;
/** The whole request comes before the part that the application took. */
const DURATIONS = [
  'reqtime',
  'request_time',
  'taken',
  'duration',
  'response_time',
  'apptime',
  'upstream_response_time',
];
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  _sec: 1,
  _msec: 1_000,
  _ms: 1_000,
  _microsec: 1_000_000,
  _usec: 1_000_000,
  _us: 1_000_000,
};

interface Label {
  readonly meaning: keyof typeof LABELS | 'duration';
  /** A lower one counts before a higher one. */
  readonly rank: number;
  /** Units of a duration in a second. */
  readonly perSecond: number;
}

const KNOWN: ReadonlyMap<string, Label> = new Map<string, Label>([
  ...Object.entries(LABELS).flatMap(([meaning, names]) =>
    names.map((name, rank) => [name, { meaning: meaning as keyof typeof LABELS, rank, perSecond: 1 }] as const),
  ),
  ...DURATIONS.flatMap((name, rank) =>
    Object.entries(UNITS).map(
      ([unit, perSecond]) => [`${name}${unit}`, { meaning: 'duration', rank, perSecond }] as const,
    ),
  ),
]);

const LABEL = /^[0-9A-Za-z_.@-]+$/;
const MAX_LABEL = 64;
/** Fewer could be any line with a colon. */
const MIN_LABELS = 2;

interface Found {
  readonly label: Label;
  /** Empty where it is absent. */
  readonly value: string;
}

interface Values {
  readonly of: Partial<Record<Label['meaning'], Found>>;
  /** Fields with other labels, as they stand. */
  readonly rest: readonly string[];
}

export const LTSV = createTextFormat('ltsv', function parseLtsv(line, readTime) {
  const values = readLabels(line);
  if (values === undefined) return { reason: 'not a line of LTSV: a field has no label such as time:' };
  const valueWith = (meaning: Label['meaning']): string | undefined => present(values.of[meaning]?.value);
  const [time, date] = [valueWith('time'), valueWith('date')];
  const timestamp = readAnyTime(time, date, readTime);
  if (timestamp === undefined) {
    const text = time ?? date;
    return text === undefined
      ? { reason: `no label of a time such as time:; the line has: ${labelsOf(line)}` }
      : { reason: `invalid time ${shown(text)}`, isKnown: true };
  }
  const request = requestOf(values, valueWith);
  if (request === undefined) {
    return { reason: `no label of a request such as req: or uri:; the line has: ${labelsOf(line)}`, isKnown: true };
  }
  const { client, host } = peersOf(valueWith);
  const { duration, forwarded } = values.of;
  const isForwarded = client === undefined;
  const rest = isForwarded || !forwarded?.value ? values.rest : [`forwardedfor:${forwarded.value}`, ...values.rest];
  return {
    timestamp,
    ...request,
    userAgent: orDash(unescapeLog(valueWith('agent') ?? '')),
    client: isForwarded ? present(forwarded?.value.split(',', 1)[0]) : client,
    user: valueWith('user'),
    host,
    status: readStatus(valueWith('status')),
    bytes: readBytes(valueWith('bytes')),
    referrer: present(unescapeLog(valueWith('referrer') ?? '')),
    duration: duration === undefined ? undefined : readDuration(duration.value, duration.label.perSecond),
    rest: rest.length === 0 ? undefined : rest.join('\t'),
  };
});

/** Undefined unless each field has a label. */
function readLabels(line: string): Values | undefined {
  const found: Partial<Record<Label['meaning'], Found>> = {};
  const rest: string[] = [];
  let count = 0;
  for (const field of line.split('\t')) {
    const name = labelOf(field);
    if (name === undefined) {
      if (field.trim() === '') continue;
      return undefined;
    }
    count++;
    const label = KNOWN.get(name);
    const value = withoutQuotes(present(field.slice(name.length + 1)) ?? '');
    if (label !== undefined) keep(found, { label, value });
    else if (value !== '') rest.push(field);
  }
  return count < MIN_LABELS ? undefined : { of: found, rest };
}

function labelOf(field: string): string | undefined {
  const end = field.indexOf(':');
  if (end <= 0 || end > MAX_LABEL) return undefined;
  const name = field.slice(0, end);
  return LABEL.test(name) ? name : undefined;
}

/** A label with a value counts before one without, then the one of the lower rank. */
function keep(found: Partial<Record<Label['meaning'], Found>>, next: Found): void {
  const { meaning, rank } = next.label;
  const before = found[meaning];
  if (before !== undefined && before.value !== '' && (next.value === '' || before.label.rank <= rank)) return;
  found[meaning] = next;
}

/** `[…]` or bare, Unix time, or in two labels. */
function readAnyTime(time = '', date: string | undefined, readTime: ReadTime): string | undefined {
  const instant = readTime(time);
  if (instant !== undefined || date === undefined) return instant;
  return readTime(time === '' ? date : `${date}T${time}`);
}

type ValueWith = (meaning: Label['meaning']) => string | undefined;

function requestOf(values: Values, valueWith: ValueWith): RequestFields | undefined {
  const request = valueWith('request');
  if (request !== undefined) return splitRequest(unescapeLog(request));
  if (values.of.target === undefined) return values.of.request === undefined ? undefined : malformed('-');
  const target = valueWith('target');
  if (target === undefined) return malformed('-');
  const query = target.includes('?') ? undefined : valueWith('query');
  return {
    path: orDash(unescapeLog(query === undefined ? target : `${target}${query.startsWith('?') ? '' : '?'}${query}`)),
    method: valueWith('method'),
    protocol: valueWith('protocol'),
  };
}

function peersOf(valueWith: ValueWith): { client: string | undefined; host: string | undefined } {
  const client = valueWith('client');
  const host = valueWith('host');
  if (client === undefined) return { client: valueWith('clientOrHost'), host };
  return { client, host: host ?? valueWith('clientOrHost') };
}

const MAX_SHOWN_LABELS = 20;

function labelsOf(line: string): string {
  const fields = line.split('\t', MAX_SHOWN_LABELS * 2).map(labelOf);
  return fields
    .filter((label) => label !== undefined)
    .slice(0, MAX_SHOWN_LABELS)
    .join(', ');
}

function withoutQuotes(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}
