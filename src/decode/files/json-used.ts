import type { ValueName } from './access-values.ts';
import { isValue, roleOf } from './json-names.ts';
import type { AccessFields } from './line-format.ts';
import type { LogTime } from './log-time.ts';

interface Read {
  readonly fields: AccessFields;
  /** See UsualValues. */
  readonly names: Readonly<Record<ValueName, string>>;
  readonly time: LogTime;
}

/**
 * Whether the fields of a record say what a member with a usual name says, or it says nothing. Where several members have one meaning, one is
 * read; the others are kept unless they are equal to it, and so is one whose value cannot be read.
 */
export function isUsed(name: string, value: unknown, { fields, names, time }: Read): boolean {
  const role = roleOf(name);
  if (role === null || !isValue(value)) return false;
  const text = String(value).trim();
  if (text === '' || text === '-') return true;
  const bare = fields.path.split('?', 1)[0] as string;
  const isRead = names[role.name] === name;
  switch (role.name) {
    case 'timestamp':
      return isRead || time.read(value) === fields.timestamp;
    case 'request':
    case 'path':
      return text === fields.path || text === bare || (isRead && text.includes(fields.path));
    case 'query':
      return fields.path.includes(text);
    case 'status':
      return fields.status === undefined ? Number(text) < LEAST_STATUS : isRead || Number(text) === fields.status;
    default: {
      const stored = fields[role.name];
      return stored !== undefined && (isRead || String(stored) === text);
    }
  }
}

/** A lower one stands for none. */
const LEAST_STATUS = 100;
