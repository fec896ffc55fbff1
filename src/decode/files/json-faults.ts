import { quoteShort } from '../record.ts';
import type { JsonObject } from './json-text.ts';

/** Names that a reason lists, and the characters of each. */
const SHOWN_NAMES = 20;
const SHOWN_CHARACTERS = 64;

/** `no "request.uri" for path; the line has: …`. `sources`: of a map. `noun`: what has the members. */
export function explainMissing(field: string, object: JsonObject, sources: string, noun = 'the line'): string {
  return `${sources === '' ? `no ${field}` : `no ${sources} for ${field}`}; ${noun} has: ${memberNames(object)}`;
}

export function explainInvalid(field: string, value: unknown, sources: string): string {
  return `invalid ${field} ${shownValue(value)}${sources === '' ? '' : ` in ${sources}`}`;
}

export function shownValue(value: unknown): string {
  return typeof value === 'string' ? quoteShort(value) : cut(JSON.stringify(value));
}

/** The names of the members, and of those in objects by their path. */
export function memberNames({ value }: JsonObject): string {
  const found: string[] = [];
  for (const name of Object.keys(value)) {
    const inner = value[name];
    const isObject = typeof inner === 'object' && inner !== null && !Array.isArray(inner);
    const paths = isObject ? Object.keys(inner).map((member) => `${name}.${member}`) : [];
    found.push(...(paths.length === 0 ? [name] : paths.slice(0, SHOWN_NAMES + 1)));
    if (found.length > SHOWN_NAMES) break;
  }
  if (found.length === 0) return 'nothing';
  const listed = found
    .slice(0, SHOWN_NAMES)
    .map((name) => cut(name))
    .join(', ');
  return found.length > SHOWN_NAMES ? `${listed} …` : listed;
}

function cut(text: string): string {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
