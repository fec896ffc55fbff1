import type { Level } from '../../model/level.ts';

/** RFC 5424, table 2; it has no number for TRACE. */
const SEVERITIES: Readonly<Record<Level, number>> = {
  EMERG: 0,
  ALERT: 1,
  CRIT: 2,
  ERROR: 3,
  WARN: 4,
  NOTICE: 5,
  INFO: 6,
  DEBUG: 7,
  TRACE: 7,
};

/** The number of a level in syslog. */
export function severityOf(level: Level): number {
  return SEVERITIES[level];
}
