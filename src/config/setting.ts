import type { Key } from './keys.ts';
import type { Problem, Source } from './problem.ts';

/** One value that was set for one key, as it was written. */
export interface Setting {
  readonly key: Key;
  readonly value: unknown;
  readonly source: Source;
  /** Variables in it that are not set. */
  readonly unset?: readonly string[];
}

/** The settings of one place: the file, the environment or the flags. */
export interface Layer {
  readonly settings: readonly Setting[];
  /** The number of objects in each list that is there, by its path. */
  readonly lengths?: ReadonlyMap<string, number>;
  readonly problems: readonly Problem[];
}

/** Reads a number, a switch or a list from text, for places that have only text. Other text stays text. */
export function fromText(key: Key, text: string): unknown {
  switch (key.leaf.kind) {
    case 'number':
      return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
    case 'switch':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'list':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    default:
      return text;
  }
}

/** The problem with a value, if there is one. Never shows a secret. */
export function checkSetting({ key, value, source, unset = [] }: Setting): Problem | undefined {
  const texts: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (texts.some((each) => typeof each === 'string' && each.includes('\0'))) {
    return { key: key.path, source, message: 'contains a NUL character' };
  }
  const result = key.schema.safeParse(value);
  if (result.success && value !== undefined) return undefined;
  const index = result.error?.issues[0]?.path[0];
  const culprit = Array.isArray(value) && typeof index === 'number' ? value[index] : value;
  const hint = key.leaf.kind === 'text' && isUnquoted(value) ? '; put it in quotes' : '';
  const missing = unset.length === 0 ? '' : ` (${unset.join(', ')} not set)`;
  const got = key.leaf.secret ? 'something else' : show(culprit);
  return { key: key.path, source, message: `expected ${key.leaf.expects}, got ${got}${missing}${hint}` };
}

function isUnquoted(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}

function show(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a section';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
