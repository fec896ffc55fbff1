// Numbers and times for people. All times are UTC, like the hours of the files.

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
export const HOUR_MS = 3_600_000;

/** `12,345`; numbers below 10 keep a digit. */
export function count(value) {
  return value > 0 && value < 10 && !Number.isInteger(value) ? fine.format(value) : grouped.format(value);
}

/** `[12.3, 'M']`, where there is little room. */
export function short(value) {
  if (value < 100_000) return [count(value), ''];
  if (value < 1e6) return [fine.format(value / 1e3), 'k'];
  if (value < 1e9) return [(value / 1e6).toFixed(value < 1e8 ? 2 : 1), 'M'];
  return [(value / 1e9).toFixed(2), 'G'];
}

/** For an axis: `0`, `500`, `20k`, `1.5M`. */
export function tick(value) {
  if (value < 10_000) return count(value);
  return value < 1e6 ? `${fine.format(value / 1e3)}k` : `${fine.format(value / 1e6)}M`;
}

export function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(value) / 10));
  const scaled = value / 1024 ** power;
  return [scaled >= 100 || power === 0 ? grouped.format(scaled) : scaled.toFixed(1), units[power]];
}

/** For an axis: `0`, `512 B`, `1.5 GiB`. */
export function bytesTick(value) {
  const [number, unit] = bytes(value);
  return value === 0 ? '0' : `${number.replace(/\.0$/, '')} ${unit}`;
}

export function seconds(value) {
  if (value >= 60) return [fine.format(value / 60), 'min'];
  if (value >= 1) return [value.toFixed(2), 's'];
  const ms = value * 1000;
  return [ms >= 100 ? grouped.format(ms) : ms.toFixed(ms < 10 ? 2 : 1), 'ms'];
}

/** For an axis: `0`, `2.5 ms`, `10 s`. */
export function secondsTick(value) {
  const [number, unit] = seconds(value);
  return value === 0 ? '0' : `${Number(number.replaceAll(',', ''))} ${unit}`;
}

export function percent(part, whole) {
  if (whole === 0 || part === 0) return '0 %';
  const share = (part / whole) * 100;
  return share < 0.1 ? '< 0.1 %' : `${share.toFixed(share < 10 ? 1 : 0)} %`;
}

export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function duration(value) {
  const whole = Math.floor(value);
  const [days, hours, minutes] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${whole} s`;
}

/** Milliseconds as a configuration file writes them: in the largest unit that leaves no remainder. */
export function exactDuration(ms) {
  const units = [
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1000],
  ];
  const [name, size] = units.find(([, each]) => ms > 0 && ms % each === 0) ?? ['ms', 1];
  return `${count(ms / size)} ${name}`;
}

/** `13:05:09`, with the day before it unless it is today. */
export function clock(ms, now = Date.now()) {
  const iso = new Date(ms).toISOString();
  const time = iso.slice(11, 19);
  return iso.slice(0, 10) === new Date(now).toISOString().slice(0, 10) ? time : `${iso.slice(0, 10)} ${time}`;
}

/** Hours are whole hours since 1970, as in the service. */
export function hourOf(ms) {
  return Math.floor(ms / HOUR_MS);
}

/** `2015-05-17T10`, for the API. */
export function hourToIso(hour) {
  return new Date(hour * HOUR_MS).toISOString().slice(0, 13);
}

/** Reads `2015-05-17T10`, with or without minutes after it; undefined for any other text. */
export function parseHour(text) {
  const iso = /^\d{4}-\d\d-\d\dT\d\d/.exec(text)?.[0];
  const ms = Date.parse(`${iso}:00:00Z`);
  return iso === undefined || Number.isNaN(ms) ? undefined : hourOf(ms);
}

/** `17 May`, with the year unless it is the present one. `second`: Unix time. */
export function dayName(second) {
  return hourName(hourOf(second * 1000)).slice(0, -' 00:00'.length);
}

/** `17 May 10:00`, with the year unless it is the present one. */
export function hourName(hour) {
  const date = new Date(hour * HOUR_MS);
  const year = date.getUTCFullYear() === new Date().getUTCFullYear() ? '' : ` ${date.getUTCFullYear()}`;
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}${year} ${String(date.getUTCHours()).padStart(2, '0')}:00`;
}
