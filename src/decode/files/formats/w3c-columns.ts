/**
 * How the values are written. `iis`: blanks as `+`, times taken in milliseconds. `cloudfront`: %-encoded, seconds. `w3c`: by the draft of the
 * W3C, seconds; texts may stand in quotes.
 */
export type Dialect = 'w3c' | 'iis' | 'cloudfront';

/** IIS Advanced Logging: of the zone of its machine. */
const LOCAL_DATE = 'date-local';
export const LOCAL_TIME = 'time-local';

/** What is read of the columns; where several have one meaning, the first that a file has. */
const NAMES = {
  date: ['date', 'date-utc', LOCAL_DATE],
  time: ['time', 'time-utc', LOCAL_TIME],
  unixTime: ['timestamp(ms)', 'timestamp', 'x-timestamp'],
  method: ['cs-method'],
  stem: ['cs-uri-stem', 'cs-uri-path', 'cs-uri'],
  query: ['cs-uri-query'],
  agent: ['cs(user-agent)', 'c-user-agent', 'cs-user-agent'],
  client: ['c-ip', 'c-dns'],
  user: ['cs-username'],
  host: ['x-host-header', 'cs-host', 'cs(host)'],
  protocol: ['cs-protocol-version', 'cs-version'],
  status: ['sc-status'],
  bytes: ['sc-bytes', 'bytes'],
  referrer: ['cs(referer)', 'cs(referrer)', 'c-referrer', 'cs-referer'],
  duration: ['time-taken'],
  forwarded: ['x-forwarded-for', 'cs(x-forwarded-for)', 'x_forwarded_for'],
} as const;
export type Column = keyof typeof NAMES;

const OF_CLOUDFRONT = /^x-edge-/;
const OF_IIS: readonly string[] = ['cs-username', 'sc-win32-status', 'sc-substatus', 's-sitename', 's-computername'];

/** What the directives before a line say of it. */
export interface Directives {
  /** Of `#Software`: it is Microsoft's. */
  readonly isMicrosoft: boolean;
  /** Of `#Date`: `2018-01-01 08:09:10`, for logs without a column of dates. */
  readonly date: string;
  /** Names of `#Fields`, in lower case; empty before the first one. */
  readonly fields: readonly string[];
}

export const NO_DIRECTIVES: Directives = { isMicrosoft: false, date: '', fields: [] };

/** Of `#Fields` in a state; those of CloudFront and IIS take less than one. Three readers may have one each (MAX_STATE_BYTES). */
const MAX_FIELDS_BYTES = 4 * 1024;
const DIRECTIVE = /^#\s*(software|date|fields)\s*:/i;
const DATE = /^\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?/;

/** What holds after a line that begins with `#`; undefined where it names more fields than can be kept. */
export function readDirective(line: string, before: Directives): Directives | undefined {
  const match = DIRECTIVE.exec(line.slice(0, 64));
  if (match === null) return before;
  const value = line.slice(match[0].length).trim();
  switch (match[1]?.toLowerCase()) {
    case 'software':
      return { ...before, isMicrosoft: /^microsoft\b/i.test(value) };
    case 'date':
      return { ...before, date: DATE.exec(value)?.[0] ?? '' };
    default:
      return JSON.stringify(value).length > MAX_FIELDS_BYTES
        ? undefined
        : { ...before, fields: value.toLowerCase().split(/\s+/) };
  }
}

/** The directives as the state of a reading. */
export function formatDirectives({ isMicrosoft, date, fields }: Directives): string {
  return fields.length === 0 && date === '' && !isMicrosoft
    ? ''
    : `${isMicrosoft ? 'iis' : ''}\n${date}\n${fields.join(' ')}`;
}

export function parseDirectives(state: string): Directives {
  const [software = '', date = '', fields = ''] = state.split('\n');
  return { isMicrosoft: software === 'iis', date, fields: fields === '' ? [] : fields.split(' ') };
}

/** By the software, or by columns that only one has. */
export function dialectOf({ isMicrosoft, fields }: Directives): Dialect {
  if (fields.some((name) => OF_CLOUDFRONT.test(name))) return 'cloudfront';
  return isMicrosoft || fields.some((name) => OF_IIS.includes(name)) ? 'iis' : 'w3c';
}

/** The place of each column in a line; -1 where the file does not have it. */
export type Places = Readonly<Record<Column, number>>;

export function placesOf(fields: readonly string[]): Places {
  const places: Partial<Record<Column, number>> = {};
  for (const column of Object.keys(NAMES) as Column[]) {
    const name = NAMES[column].find((name) => fields.includes(name));
    places[column] = name === undefined ? -1 : fields.indexOf(name);
  }
  return places as Places;
}
