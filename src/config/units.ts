const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const SIZE_BYTES: Readonly<Record<string, number>> = { '': 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d{1,15})([A-Za-z]*)$/.exec(text);
  const factor = match === null ? undefined : Object.hasOwn(units, match[2] ?? '') ? units[match[2] ?? ''] : undefined;
  if (match === null || factor === undefined) return undefined;
  const quantity = Number(match[1]) * factor;
  return Number.isSafeInteger(quantity) ? quantity : undefined;
}

function formatQuantity(quantity: number, units: Readonly<Record<string, number>>): string {
  let best = '';
  for (const [unit, factor] of Object.entries(units)) if (quantity % factor === 0) best = `${quantity / factor}${unit}`;
  return best;
}

/** Reads `500ms`, `30s`, `5m`, `24h` to milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, DURATION_MS);
}

/** `30s` for 30000: the largest unit that leaves a whole number. */
export function formatDuration(ms: number): string {
  return ms === 0 ? '0s' : formatQuantity(ms, DURATION_MS);
}

/** Reads `64KiB`, `16MiB`, `1GiB`, `512B`, `512` to bytes; undefined for anything else (KB and MB mean two things). */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, SIZE_BYTES);
}

/** `64KiB` for 65536: the largest unit that leaves a whole number. */
export function formatSize(bytes: number): string {
  return bytes === 0 ? '0B' : formatQuantity(bytes, SIZE_BYTES);
}

/** Where to listen. Without `host`: on every address, IPv4 and IPv6. Port 0: the operating system chooses. */
export interface ListenAddress {
  readonly host?: string;
  readonly port: number;
}

/** Reads `:8082`, `127.0.0.1:8082`, `localhost:8082`, `[::1]:8082`; undefined for anything else. */
export function parseAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([A-Za-z0-9._-]*)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  if (port > 65_535) return undefined;
  const host = match[1] ?? match[2] ?? '';
  if (match[1] !== undefined && !host.includes(':')) return undefined;
  return host === '' ? { port } : { host, port };
}

/** Requests a second in the long run, and how many may come at once. */
export interface RateLimit {
  readonly requestsPerSecond: number;
  readonly burst: number;
}

/** Reads `off`, `100/s` (a burst of as many), `100/s burst 500`; undefined for anything else. */
export function parseRateLimit(text: string): RateLimit | 'off' | undefined {
  if (text === 'off') return 'off';
  const match = /^(\d{1,9})\/s(?: burst (\d{1,9}))?$/.exec(text);
  if (match === null) return undefined;
  const requestsPerSecond = Number(match[1]);
  const burst = Number(match[2] ?? match[1]);
  return requestsPerSecond < 1 || burst < 1 ? undefined : { requestsPerSecond, burst };
}

/** `100/s burst 500` */
export function formatRateLimit(limit: RateLimit | 'off'): string {
  return limit === 'off' ? limit : `${limit.requestsPerSecond}/s burst ${limit.burst}`;
}

/** What an input does with what comes while it is full. */
export type WhenFull = 'wait' | 'drop' | { readonly sampleOneIn: number };

/** Reads `wait`, `drop`, `sample 1/10`; undefined for anything else. */
export function parseWhenFull(text: string): WhenFull | undefined {
  if (text === 'wait' || text === 'drop') return text;
  const count = Number(/^sample 1\/(\d{1,6})$/.exec(text)?.[1] ?? 0);
  return count >= 2 ? { sampleOneIn: count } : undefined;
}

/** `sample 1/10` */
export function formatWhenFull(value: WhenFull): string {
  return typeof value === 'string' ? value : `sample 1/${value.sampleOneIn}`;
}

/** Zones are from 12 hours west of UTC to 14 hours east of it. */
const WEST_MINUTES = -12 * 60;
const EAST_MINUTES = 14 * 60;

/** The zone of times without one: `arrival`, or minutes east of UTC for `Z` or `+02:00`. */
export function parseZone(text: string): number | 'arrival' | undefined {
  if (text === 'arrival') return text;
  if (text === 'Z') return 0;
  const [, sign = '', hours = '', minutes = ''] = /^([+-])(\d\d):([0-5]\d)$/.exec(text) ?? [];
  if (sign === '') return undefined;
  const offset = Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes));
  return offset >= WEST_MINUTES && offset <= EAST_MINUTES ? offset : undefined;
}

/** `+02:00` */
export function formatZone(zone: number | 'arrival'): string {
  if (zone === 'arrival') return zone;
  const minutes = Math.abs(zone);
  const clock = [Math.floor(minutes / 60), minutes % 60].map((number) => String(number).padStart(2, '0')).join(':');
  return `${zone < 0 ? '-' : '+'}${clock}`;
}

const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?$/;

/** Reads `2015-01-01` or `2015-01-01T00:00:00Z` to Unix seconds; undefined for anything else, and for days that there are not. */
export function parseTime(text: string): number | undefined {
  if (!TIME.test(text)) return undefined;
  const ms = Date.parse(text.length === '2015-01-01'.length ? `${text}T00:00:00Z` : text);
  return Number.isNaN(ms) || !formatTime(ms / 1_000).startsWith(text.slice(0, -1)) ? undefined : ms / 1_000;
}

/** `2015-01-01T00:00:00Z` */
export function formatTime(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().replace('.000Z', 'Z');
}
