import { parseArgs } from 'node:util';
import { parseAddress, parseZone } from '../config/units.ts';
import { nearest } from '../model/nearest.ts';
import { type Option, type Options, UsageError } from './command.ts';

/** A flag with a value gives text, or undefined when it is not given. A switch gives whether it is given. */
export type FlagValues<O extends Options> = {
  readonly [N in keyof O]: O[N] extends { readonly value: string } ? string | undefined : boolean;
};

export interface Flags<O extends Options> {
  readonly values: FlagValues<O>;
  readonly positionals: readonly string[];
  /** All values of each flag with a value, in the order in which they are given. */
  readonly every: Readonly<Record<string, readonly string[]>>;
}

/**
 * Reads the words after a command. Of a flag given twice the last one counts; everything after `--` is positional. Throws
 * UsageError for an unknown flag (with the nearest known one), a missing or a superfluous value, a value that is not
 * allowed, and more positionals than `maxPositionals` (0).
 */
export function parseFlags<O extends Options>(
  args: readonly string[],
  options: O,
  { maxPositionals = 0 }: { readonly maxPositionals?: number } = {},
): Flags<O> {
  const values: Record<string, string | boolean | undefined> = {};
  for (const [name, option] of Object.entries(options)) values[name] = option.value === undefined ? false : undefined;

  const positionals: string[] = [];
  const every: Record<string, string[]> = {};
  for (const token of tokenize(args, options)) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (option === undefined) throw new UsageError(describeUnknownFlag(token.rawName, options));
    const value = readValue(token.rawName, option, token.value, token.inlineValue === true);
    values[token.name] = value;
    if (typeof value === 'string') every[token.name] = [...(every[token.name] ?? []), value];
  }
  const extra = positionals[maxPositionals];
  if (extra !== undefined) throw new UsageError(`unexpected argument ${JSON.stringify(extra)}`);
  // Filled above by the same rule that FlagValues states.
  return { values: values as FlagValues<O>, positionals, every };
}

/**
 * Long flags with one dash, as Go's flag package takes them (`-config=F`, `-logs-dir D`), with two. Only whole names of `options` change.
 */
export function toTwoDashes(args: readonly string[], options: Options): readonly string[] {
  const end = args.indexOf('--');
  return args.map((word, index) => {
    const name = /^-([a-z][a-z-]+)(?:=|$)/.exec(word)?.[1];
    const isFlag = name !== undefined && Object.hasOwn(options, name) && (end < 0 || index < end);
    return isFlag ? `-${word}` : word;
  });
}

function tokenize(args: readonly string[], options: Options) {
  const known = Object.entries(options).map(([name, { value, short }]) => {
    const type = value === undefined ? ('boolean' as const) : ('string' as const);
    return [name, short === undefined ? { type } : { type, short }] as const;
  });
  const config = { args: [...args], options: Object.fromEntries(known), strict: false, tokens: true } as const;
  return parseArgs(config).tokens;
}

function readValue(flag: string, option: Option, value: string | undefined, isInline: boolean): string | boolean {
  if (option.value === undefined) {
    if (value !== undefined) throw new UsageError(`${flag} takes no value`);
    return true;
  }
  if (value === undefined || (!isInline && value.startsWith('-') && value !== '-')) {
    throw new UsageError(`${flag} needs a value: ${flag} ${option.value}`);
  }
  if (option.choices !== undefined && !option.choices.includes(value)) {
    throw new UsageError(`${flag} must be one of ${option.choices.join(', ')}, got ${JSON.stringify(value)}`);
  }
  return value;
}

function describeUnknownFlag(flag: string, options: Options): string {
  const meant = nearest(flag.replace(/^-+/, ''), [...Object.keys(options), 'help']);
  return meant === undefined ? `unknown flag ${flag}` : `unknown flag ${flag}, did you mean --${meant}?`;
}

/** Reads the text of a flag as a whole number. Throws UsageError. */
export function toCount(
  flag: string,
  text: string,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= min && count <= max) return count;
  throw new UsageError(`--${flag} must be a whole number from ${min} to ${max}, got ${JSON.stringify(text)}`);
}

/** Checks the text of the flag --addr. `example`: an address, for the message. Throws UsageError. */
export function toAddress(text: string, example: string): string {
  if (parseAddress(text) !== undefined) return text;
  throw new UsageError(`--addr must be an address such as ${example}, got ${JSON.stringify(text)}`);
}

/** Reads the text of the flag --zone: minutes east of UTC. Throws UsageError. */
export function toZone(text: string): number {
  const minutes = parseZone(text);
  if (typeof minutes === 'number') return minutes;
  throw new UsageError(`--zone must be Z or an offset such as +02:00, got ${JSON.stringify(text)}`);
}
