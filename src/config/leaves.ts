import { z } from 'zod';
import { formatDuration, formatSize, formatTime, parseAddress, parseDuration, parseSize, parseTime } from './units.ts';

/** How one key is described in messages and in the reference. The schema reads it. */
export interface Leaf {
  readonly kind: 'text' | 'number' | 'switch' | 'list' | 'map' | 'quantity';
  /** Completes "expected …". */
  readonly expects: string;
  /** As it would be written in YAML. */
  readonly default: unknown;
  readonly doc: string;
  readonly secret: boolean;
  /** Writes a value as it would stand in YAML, where the two differ. */
  readonly write?: (value: unknown) => string;
}

/** The description of each leaf schema. */
export const leaves = z.registry<Leaf>();

/** The description of each section. */
export const sections = z.registry<{ readonly doc: string }>();

export function section<S extends z.ZodRawShape>(doc: string, shape: S) {
  return z.strictObject(shape).register(sections, { doc });
}

/** A list of objects, which have no variables in the environment and no flags. Each has a `name`, and no two have the same. */
export function objects<S extends z.ZodRawShape>(doc: string, shape: S & { readonly name: z.ZodType }) {
  return z.array(section(doc, shape)).prefault([]);
}

export function text(
  byDefault: string,
  doc: string,
  options: { readonly secret?: boolean; readonly empty?: boolean } = {},
) {
  const { secret = false, empty = false } = options;
  return z
    .string()
    .min(empty ? 0 : 1)
    .prefault(byDefault)
    .register(leaves, { kind: 'text', expects: empty ? 'text' : 'text, not empty', default: byDefault, doc, secret });
}

/** The path of a folder. Control characters in it are always a mistake. */
export function folder(byDefault: string, doc: string) {
  return matching(byDefault, /^[^\p{Cc}]+$/u, 'text, not empty and without control characters', doc);
}

export function matching(byDefault: string, pattern: RegExp, expects: string, doc: string) {
  return z
    .string()
    .regex(pattern)
    .prefault(byDefault)
    .register(leaves, { kind: 'text', expects, default: byDefault, doc, secret: false });
}

export function choice<const C extends readonly string[]>(choices: C, byDefault: C[number], doc: string) {
  const expects = `one of ${choices.join(', ')}`;
  return z
    .enum(choices)
    .prefault(byDefault)
    .register(leaves, { kind: 'text', expects, default: byDefault, doc, secret: false });
}

/** The two pipelines. */
export function pipeline(byDefault: 1 | 2, doc: string) {
  const expects = '1 or 2';
  return z
    .literal([1, 2])
    .prefault(byDefault)
    .register(leaves, { kind: 'number', expects, default: byDefault, doc, secret: false });
}

export function toggle(byDefault: boolean, doc: string) {
  const expects = 'true or false';
  return z
    .boolean()
    .prefault(byDefault)
    .register(leaves, { kind: 'switch', expects, default: byDefault, doc, secret: false });
}

export function count(byDefault: number, min: number, max: number, doc: string) {
  const expects = `a whole number from ${min} to ${max}`;
  return z
    .int()
    .min(min)
    .max(max)
    .prefault(byDefault)
    .register(leaves, { kind: 'number', expects, default: byDefault, doc, secret: false });
}

export function list(byDefault: readonly string[], item: RegExp, items: string, doc: string, secret = false) {
  return z
    .array(z.string().regex(item))
    .prefault([...byDefault])
    .register(leaves, { kind: 'list', expects: `a list of ${items}`, default: byDefault, doc, secret });
}

/** Texts by name, as `{service: web}`. */
export function texts(names: RegExp, expects: string, doc: string) {
  return z
    .record(z.string().regex(names), z.string())
    .prefault({})
    .register(leaves, {
      kind: 'map',
      expects,
      default: {},
      doc,
      secret: false,
      write: (value) => JSON.stringify(value),
    });
}

/** A leaf that is written in one form and read to another. */
export function quantity<T>(options: {
  readonly byDefault: string;
  readonly expects: string;
  readonly read: (value: unknown) => T | undefined;
  readonly write: (value: T) => string;
  readonly doc: string;
}) {
  const { byDefault, expects, read, write, doc } = options;
  return z
    .unknown()
    .transform((value, context): T => {
      const quantity = read(value);
      if (quantity !== undefined) return quantity;
      context.addIssue('not readable');
      return z.NEVER;
    })
    .prefault(byDefault)
    .register(leaves, {
      kind: 'quantity',
      expects,
      default: byDefault,
      doc,
      secret: false,
      // The registry knows no types: the value is one that `read` returned.
      write: (value) => write(value as T),
    });
}

export function inText<T>(parse: (text: string) => T | undefined): (value: unknown) => T | undefined {
  return (value) => (typeof value === 'string' ? parse(value) : undefined);
}

/** Milliseconds. */
export function duration(byDefault: string, min: string, max: string, doc: string) {
  return quantity({
    byDefault,
    expects: expectsDuration(min, max),
    read: readDuration(min, max),
    write: formatDuration,
    doc,
  });
}

/** Milliseconds, or one of these words; the first is the default. */
export function durationOr<const W extends string>(words: readonly [W, ...W[]], min: string, max: string, doc: string) {
  const expects = expectsDuration(min, max);
  return quantity(wordOr({ words, expects, read: readDuration(min, max), write: formatDuration, doc }));
}

function expectsDuration(min: string, max: string): string {
  return `a duration from ${min} to ${max}, such as 500ms, 30s, 5m or 24h`;
}

function readDuration(min: string, max: string) {
  const atLeast = parseDuration(min) ?? 0;
  const atMost = parseDuration(max) ?? 0;
  return inText((text) => {
    const ms = parseDuration(text);
    return ms === undefined || ms < atLeast || ms > atMost ? undefined : ms;
  });
}

/** Unix seconds, or one of these words; the first is the default. */
export function timeOr<const W extends string>(words: readonly [W, ...W[]], doc: string) {
  const expects = 'a time in UTC such as 2015-01-01 or 2015-01-01T00:00:00Z';
  return quantity(wordOr({ words, expects, read: inText(parseTime), write: formatTime, doc }));
}

/** Bytes. */
export function size(byDefault: string, min: string, max: string, doc: string) {
  return quantity({ byDefault, expects: expectsSize(min, max), read: readSize(min, max), write: formatSize, doc });
}

/** Bytes, or one of these words; the first is the default. */
export function sizeOr<const W extends string>(words: readonly [W, ...W[]], min: string, max: string, doc: string) {
  return quantity(wordOr({ words, expects: expectsSize(min, max), read: readSize(min, max), write: formatSize, doc }));
}

function expectsSize(min: string, max: string): string {
  return `a size from ${min} to ${max}, such as 65536, 64KiB or 16MiB`;
}

function readSize(min: string, max: string) {
  const atLeast = parseSize(min) ?? 0;
  const atMost = parseSize(max) ?? 0;
  return (value: unknown) => {
    const bytes = typeof value === 'string' ? parseSize(value) : value;
    const valid = typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= atLeast && bytes <= atMost;
    return valid ? bytes : undefined;
  };
}

/** A number that may be a word instead. */
function wordOr<W extends string>(options: {
  readonly words: readonly [W, ...W[]];
  readonly expects: string;
  readonly read: (value: unknown) => number | undefined;
  readonly write: (value: number) => string;
  readonly doc: string;
}) {
  const { words, expects, read, write, doc } = options;
  return {
    byDefault: words[0],
    expects: `${words.join(', ')}, or ${expects}`,
    read: (value: unknown): number | W | undefined => words.find((word) => word === value) ?? read(value),
    write: (value: number | W) => (typeof value === 'number' ? write(value) : value),
    doc,
  };
}

export function address(byDefault: string, doc: string) {
  const expects = 'an address such as ":8082", "127.0.0.1:8082" or "[::1]:8082"';
  const read = inText((text) => (parseAddress(text) === undefined ? undefined : text));
  return quantity({ byDefault, expects, read, write: (text) => text, doc });
}
