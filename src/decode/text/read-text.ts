import { readRaw } from './raw.ts';
import { isSyslog, readSyslog } from './syslog.ts';
import type { TextContext, TextRecord } from './text-record.ts';

/** What a text is taken for. `auto`: it is recognised. */
export type TextFormat = 'auto' | 'raw' | 'syslog';

/** Reads a text that is no JSON. Each text is a record; only its time or its level can be invalid. */
export function readText(text: string, format: TextFormat, context: TextContext): TextRecord {
  const isOfSyslog = format === 'syslog' || (format === 'auto' && isSyslog(text));
  return isOfSyslog ? readSyslog(text, context) : readRaw(text, context);
}
