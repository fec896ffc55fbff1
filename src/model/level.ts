/** The severities of events, from the least to the most severe. The last eight are those of syslog (RFC 5424, 6.2.1). */
export const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'NOTICE', 'WARN', 'ERROR', 'CRIT', 'ALERT', 'EMERG'] as const;
export type Level = (typeof LEVELS)[number];

/** By their numbers in syslog. */
const SYSLOG_LEVELS: readonly Level[] = ['EMERG', 'ALERT', 'CRIT', 'ERROR', 'WARN', 'NOTICE', 'INFO', 'DEBUG'];

/** Other names of levels, in upper case. */
export const LEVEL_SYNONYMS: Readonly<Record<string, Level>> = {
  DBG: 'DEBUG',
  INFORMATION: 'INFO',
  INFORMATIONAL: 'INFO',
  WARNING: 'WARN',
  ERR: 'ERROR',
  CRITICAL: 'CRIT',
  FATAL: 'CRIT',
  EMERGENCY: 'EMERG',
  PANIC: 'EMERG',
};

/** Longer text is no level. */
const MAX_LENGTH = 16;

/** All names: the levels, their synonyms and their digits in syslog. */
export const LEVELS_BY_NAME: ReadonlyMap<string, Level> = new Map<string, Level>([
  ...LEVELS.map((level) => [level, level] as const),
  ...Object.entries(LEVEL_SYNONYMS),
  ...SYSLOG_LEVELS.map((level, number) => [String(number), level] as const),
]);

/** The level that a text names, in any case and with white space around it, or that a number from 0 to 7 has in syslog. */
export function toLevel(value: string | number): Level | undefined {
  if (typeof value === 'number') return SYSLOG_LEVELS[value];
  return value.length > MAX_LENGTH ? undefined : LEVELS_BY_NAME.get(value.trim().toUpperCase());
}

/** A record of OpenTelemetry has its level as a number in this field. */
export const SEVERITY = 'severityNumber';

/** Of each four numbers in turn. https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber */
const SEVERITIES: readonly Level[] = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'CRIT'];

/** The level of a severity number of OpenTelemetry, 1 to 24. */
export function levelOfSeverity(number: unknown): Level | undefined {
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 1) return undefined;
  return SEVERITIES[Math.floor((number - 1) / 4)];
}
