import { type Level, toLevel } from '../../model/level.ts';
import type { Fields } from '../generate.ts';

/** What every text format needs of a record. */
export interface RecordParts {
  readonly level: Level;
  readonly service: string;
  readonly message: string;
  /** All other fields but the time. */
  readonly rest: readonly (readonly [name: string, value: string | number])[];
}

const TIME = 'timestamp';

/** A record of any kind as level, service and message: a producer's source is its service, a request its own message. */
export function partsOf(fields: Fields): RecordParts {
  const { level, service = fields.source, message } = fields;
  const isAccess = message === undefined;
  const used = isAccess ? [TIME] : [TIME, 'level', 'message', 'service', 'source'];
  return {
    level: (level === undefined ? undefined : toLevel(level)) ?? 'INFO',
    service: String(service ?? 'access'),
    message: isAccess ? `${fields.method ?? 'GET'} ${fields.path ?? '/'} ${fields.status ?? '-'}` : String(message),
    rest: Object.entries(fields).filter(([name]) => !used.includes(name)),
  };
}
