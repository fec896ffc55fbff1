import { type AccessRecord, makeRecords } from './access-records.ts';

/** A record of the stream `events`, as an application sends it. */
export interface EventRecord {
  readonly timestamp: string;
  readonly level: string;
  readonly message: string;
  readonly service: string;
}

const LEVELS = ['INFO', 'INFO', 'INFO', 'INFO', 'DEBUG', 'DEBUG', 'WARN', 'ERROR'] as const;
const SERVICES = ['auth', 'payment', 'api', 'db', 'notification', 'checkout', 'search'] as const;

/** The same on every run, except for the hour. Times and lengths are those of makeRecords, about 180 bytes a record. */
export function makeEvents(count: number, options: { readonly hours: number; readonly seed: number }): EventRecord[] {
  return makeRecords(count, options).map(toEvent);
}

function toEvent({ timestamp, path, userAgent }: AccessRecord, index: number): EventRecord {
  return {
    timestamp,
    level: LEVELS[index % LEVELS.length] ?? 'INFO',
    message: `request ${path} took ${index % 977} ms for ${userAgent}`,
    service: SERVICES[index % SERVICES.length] ?? 'api',
  };
}
