import type { AccessValues, ValueName } from './access-values.ts';
import { decodePercent } from './formats/field-values.ts';
import { exactTime, isBent, tokenAt } from './json-members.ts';
import type { JsonObject } from './json-text.ts';

/**
 * The names that people give to the variables of nginx and Apache, and those of CloudFront, the more telling first. They are compared without regard to case and
 * without `_ - . @` and blanks, so `remoteAddr` is `remote_addr`. A duration whose name does not tell its unit is in no list.
 */
const NAMES: { readonly [Name in ValueName]?: string } = {
  timestamp:
    'timestamp time_iso8601 time_local time datetime date ts start_time event_time event_datetime log_time time_stamp request_timestamp msec',
  request: 'request request_line http_request',
  path: 'request_uri uri url path request_path request_url original_url url_path resource_path uri_path cs_uri_stem',
  query: 'args query_string query request_query uri_query cs_uri_query',
  userAgent: 'http_user_agent user_agent agent ua request_user_agent browser cs(user_agent)',
  client:
    'remote_addr remote_ip client_ip client ip remote_address client_addr client_address ip_address source_ip remote_host client_host remote c_ip',
  user: 'remote_user user username auth_user',
  host: 'host server_name http_host vhost virtual_host request_host authority x_host_header cs(host)',
  method: 'request_method method http_method verb cs_method',
  protocol:
    'server_protocol protocol proto http_version request_protocol http_protocol request_proto cs_protocol_version',
  status: 'status status_code response_code http_status http_status_code response response_status sc_status code',
  bytes:
    'body_bytes_sent bytes_sent bytes size response_length response_size content_length length response_body_size resp_body_size written_bytes bytes_out sc_bytes',
  referrer: 'http_referer http_referrer referrer referer request_referer cs(referer)',
  duration: 'request_time duration_seconds duration_s',
};

/** AWS API Gateway, whose names are others' with another meaning. */
const EXACT: Readonly<Record<string, ValueName>> = { requestTime: 'timestamp', requestTimeEpoch: 'timestamp' };

/** No name in the lists is longer. */
const MAX_NAME_LENGTH = 64;

/** Which value a name stands for, and its place in the list: a lower one counts more. */
export interface Role {
  readonly name: ValueName;
  readonly place: number;
}

const ROLES = new Map<string, Role>();
for (const [name, list] of Object.entries(NAMES)) {
  for (const [place, word] of list.split(' ').entries()) ROLES.set(plain(word), { name: name as ValueName, place });
}

/** What names mean as they were written, null: nothing. At most MOST_KNOWN: to bring a name into its plain form takes longer. */
const known = new Map<string, Role | null>();
const MOST_KNOWN = 1_000;

export function roleOf(name: string): Role | null {
  const role = known.get(name);
  if (role !== undefined) return role;
  const exact = Object.hasOwn(EXACT, name) ? EXACT[name] : undefined;
  const found = exact === undefined ? (ROLES.get(plain(name)) ?? null) : { name: exact, place: -1 };
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(name, found);
  return found;
}

function plain(name: string): string {
  return name
    .slice(0, MAX_NAME_LENGTH)
    .toLowerCase()
    .replace(/[_\-.@ ]/g, '');
}

export interface UsualValues {
  readonly values: AccessValues;
  /** The name of the member that has each; empty where none has it. */
  readonly names: Readonly<Record<ValueName, string>>;
}

/** The values of an object by its usual names; undefined where it has no time, or neither a request nor a path. */
export function readUsualNames({ text, value: object }: JsonObject): UsualValues | undefined {
  const values = eachName<unknown>(undefined);
  const names = eachName('');
  const places = eachName(Number.POSITIVE_INFINITY);
  for (const name of Object.keys(object)) {
    const role = roleOf(name);
    const value = object[name];
    if (role === null || !isValue(value)) continue;
    const place = role.name === 'timestamp' && isDuration(value) ? LAST_PLACE : role.place;
    if (place >= places[role.name]) continue;
    places[role.name] = place;
    values[role.name] = value;
    names[role.name] = name;
  }
  const { timestamp } = values;
  if (timestamp === undefined || (values.request === undefined && values.path === undefined)) return undefined;
  if (isBent(timestamp)) values.timestamp = exactTime(timestamp, tokenAt(text, [names.timestamp]));
  else if (isClock(timestamp)) values.timestamp = joinDate(object, timestamp, names.path);
  values.userAgent = decodeAgent(values.userAgent, names.userAgent);
  return { values, names };
}

function isClock(value: unknown): value is string {
  return typeof value === 'string' && /^\d\d:\d\d:\d\d/.test(value);
}

/** A time of day whose date is a member of its own. With the names of W3C, CloudFront's too, it is UTC. */
function joinDate({ date }: JsonObject['value'], clock: string, path: string): string {
  if (typeof date !== 'string') return clock;
  const zone = plain(path) === 'csuristem' && /[\d.]$/.test(clock) && !/[+-]/.test(clock) ? 'Z' : '';
  return `${date} ${clock}${zone}`;
}

/** CloudFront writes it as it does in its lines of text. */
function decodeAgent(agent: unknown, name: string): unknown {
  return typeof agent === 'string' && name.includes('(') ? decodePercent(agent) : agent;
}

/** A number that is no time of the last 50 years: some call the duration of a request its time. */
function isDuration(value: unknown): boolean {
  const number =
    typeof value === 'number' || (typeof value === 'string' && /^[\d.]+$/.test(value)) ? Number(value) : Number.NaN;
  return number < FIRST_UNIX_TIME;
}

const FIRST_UNIX_TIME = 1e8;
const LAST_PLACE = 1_000;

/** Written out: an object that is filled by name takes twice the time. */
function eachName<T>(value: T): Record<ValueName, T> {
  return {
    timestamp: value,
    path: value,
    query: value,
    request: value,
    userAgent: value,
    client: value,
    user: value,
    host: value,
    method: value,
    protocol: value,
    status: value,
    bytes: value,
    referrer: value,
    duration: value,
    rest: value,
  };
}

/** Whether a usual name may have this value: what is nested means something else. */
export function isValue(value: unknown): boolean {
  return value !== undefined && value !== null && typeof value !== 'object';
}
