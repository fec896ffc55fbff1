// The JSON text of values that have no form of their own in JSON.

import { formatDate, formatTimeOfDay, formatUnixTime } from '../../lines/timestamp.ts';
import type { Logical } from './schema.ts';

const SECONDS_PER_DAY = 86_400;
const NANOS = 1_000_000_000;

/** A number; JSON has none for what is not finite, so that becomes a text, as in the JSON of Protocol Buffers. */
export function numberText(value: number): string {
  return Number.isFinite(value) ? JSON.stringify(value) : `"${value}"`;
}

/**
 * A date, time or instant as RFC 3339 writes it; local ones as if they were in UTC. A number that is none in the years 0001–9999 stays a
 * number.
 */
export function timeText(
  value: number | bigint,
  { kind, perSecond }: Logical & { readonly perSecond: number },
): string {
  const text = kind === 'date' ? formatDate(Number(value)) : formatTicks(value, kind, perSecond);
  return text === undefined ? String(value) : `"${text}"`;
}

function formatTicks(value: number | bigint, kind: string, perSecond: number): string | undefined {
  const ticks = BigInt(value);
  const per = BigInt(perSecond);
  const rest = ((ticks % per) + per) % per;
  const seconds = Number((ticks - rest) / per);
  const nanos = Number(rest) * (NANOS / perSecond);
  if (kind === 'timestamp') return formatUnixTime(seconds, nanos);
  return seconds >= 0 && seconds < SECONDS_PER_DAY ? formatTimeOfDay(seconds, nanos) : undefined;
}

/** The digits of a decimal: a whole number in two's complement, big endian, with `scale` of them after the point. */
export function decimalText(bytes: Buffer, scale: number): string {
  const hex = bytes.length === 0 ? '0' : bytes.toString('hex');
  const unscaled = BigInt.asIntN(Math.max(bytes.length, 1) * 8, BigInt(`0x${hex}`));
  const sign = unscaled < 0n ? '-' : '';
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  if (scale === 0) return sign + digits;
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** RFC 9562, section 4. */
export function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `"${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}"`;
}
