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
  const isRead = names[role.name] === name;
  if (role.name === 'timestamp') return isRead || time.read(value) === fields.timestamp;
  const text = String(value).trim();
  if (text === '' || text === '-') return true;
  switch (role.name) {
    case 'request':
    case 'path':
      return isPath(text, fields.path) || (isRead && text.includes(fields.path));
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

/** Whether a text is a path, or all of it before its query. */
function isPath(text: string, path: string): boolean {
  return path.startsWith(text) && (text.length === path.length || path[text.length] === '?');
}

/** A lower one stands for none. */
const LEAST_STATUS = 100;
