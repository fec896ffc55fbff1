/*
 * Which fields of a record come from where in a JSON object:
 *
 *   map    = pair *( "," pair )                         timestamp=ts,path=request.uri
 *   pair   = target "=" source *( "|" source )          the first source that is present
 *   source = step *( "." name / "[" index "]" / "[" quoted "]" )
 *   step   = name / "[" index "]" / "[" quoted "]"
 *   name   = quoted / characters but . [ ] , = | and quotes
 *   quoted = name in "…" or '…'; \ before a quote or \
 *
 * White space around names is not part of them. A source that is one quoted name is looked for as that name, then as the path that it spells:
 * so 'request.headers.User-Agent[0]' means the same where a shell has not taken the quotes away.
 *
 * A map knows no stream: the targets are the stream's fields and any others.
 */

export const MAX_PAIRS = 64;
/** Names and indexes of a source. */
export const MAX_STEPS = 16;
/** Of a map as text; of all targets and sources together where it is made of pairs. */
export const MAX_MAP_BYTES = 4096;

/** The name of a member or the index of an element, from 0. */
export type Step = string | number;

export interface FieldSource {
  /** As it was written, for messages; of one quoted name without the quotes. */
  readonly text: string;
  readonly steps: readonly Step[];
  /** What stands there in a value that JSON.parse made. undefined where nothing does. */
  readonly read: (value: unknown) => unknown;
}

export interface FieldPair {
  readonly target: string;
  /** At least one. */
  readonly sources: readonly FieldSource[];
  /** What stands at the source that counts. undefined where there is none. */
  readonly read: (value: unknown) => unknown;
}

export interface FieldMap {
  /** At least one, each of another target. */
  readonly pairs: readonly FieldPair[];
}

/** `message` says what the text is, where in it the fault is, and what was expected. */
export class FieldMapError extends Error {
  override readonly name = 'FieldMapError';
}

/** Reads `timestamp=ts,path=request.uri`. Throws FieldMapError. */
export function parseFieldMap(text: string): FieldMap {
  checkBytes(Buffer.byteLength(text));
  if (text.trim() === '') throw nothingMapped();
  return { pairs: new MapReader(text, 'field map').pairs() };
}

/** The same of targets and their sources: `{timestamp: 'ts', path: 'request.path|request.uri'}`. Throws FieldMapError. */
export function fieldMapOf(pairs: Readonly<Record<string, string>>): FieldMap {
  const entries = Object.entries(pairs);
  if (entries.length === 0) throw nothingMapped();
  checkPairs(entries.length);
  checkBytes(entries.reduce((sum, [target, source]) => sum + Buffer.byteLength(target) + Buffer.byteLength(source), 0));
  return {
    pairs: entries.map(([target, text]) => {
      const reader = new MapReader(text, `source of ${JSON.stringify(target)}`);
      return makePair(target, reader.onlySources());
    }),
  };
}

/** A pair whose sources are the members of these names, of which there is at least one. */
export function pairOfNames(target: string, names: readonly string[]): FieldPair {
  return makePair(
    target,
    names.map((name) => ({ text: name, steps: [name], read: compile([name]) })),
  );
}

/** The source that counts: the first that is not absent, null, empty or `-`; else the first that is not absent or null. */
export function pickSource({ sources }: Pick<FieldPair, 'sources'>, value: unknown): FieldSource | undefined {
  let second: FieldSource | undefined;
  for (const source of sources) {
    const found = source.read(value);
    if (found === undefined || found === null) continue;
    if (found !== '' && found !== '-') return source;
    second ??= source;
  }
  return second;
}

function makePair(target: string, sources: readonly FieldSource[]): FieldPair {
  const [only, ...others] = sources;
  const read =
    only !== undefined && others.length === 0
      ? (value: unknown) => only.read(value) ?? undefined
      : (value: unknown) => pickSource({ sources }, value)?.read(value);
  return { target, sources, read };
}

function nothingMapped(): FieldMapError {
  return new FieldMapError('cannot read the field map: expected target=source, such as timestamp=ts,path=request.uri');
}

function checkBytes(bytes: number): void {
  if (bytes > MAX_MAP_BYTES)
    throw new FieldMapError(
      `cannot read the field map: it has ${bytes} bytes, expected at most ${MAX_MAP_BYTES} bytes`,
    );
}

function checkPairs(pairs: number): void {
  if (pairs > MAX_PAIRS) throw new FieldMapError(`cannot read the field map: expected at most ${MAX_PAIRS} pairs`);
}

const ENDS_NAME = new Set('.[],=|"\'');
const MAX_INDEX_DIGITS = 9;

class MapReader {
  readonly #text: string;
  /** What the text is, for messages. */
  readonly #what: string;
  #at = 0;

  constructor(text: string, what: string) {
    this.#text = text;
    this.#what = what;
  }

  pairs(): FieldPair[] {
    const pairs: FieldPair[] = [];
    do {
      const start = this.#skipWhite();
      const target = this.#name('the name of a field');
      if (pairs.some((pair) => pair.target === target))
        throw this.#fault(`another target, ${JSON.stringify(target)} has a source already`, start);
      if (!this.#take('=')) throw this.#expected('"=" after the target');
      pairs.push(makePair(target, this.#sources()));
      checkPairs(pairs.length);
    } while (this.#take(','));
    if (this.#at < this.#text.length) throw this.#expected('".", "[", "|" or "," after the name');
    return pairs;
  }

  /** The whole text is sources of one target. */
  onlySources(): FieldSource[] {
    const sources = this.#sources();
    if (this.#at < this.#text.length) throw this.#expected('the end');
    return sources;
  }

  #sources(): FieldSource[] {
    const sources: FieldSource[] = [];
    do sources.push(...this.#source());
    while (this.#take('|'));
    return sources;
  }

  #source(): FieldSource[] {
    const start = this.#skipWhite();
    const isQuoted = this.#isQuote();
    const steps: Step[] = [this.#text[this.#at] === '[' ? this.#bracket() : this.#name('the name of a member')];
    for (;;) {
      if (this.#take('.')) steps.push(this.#name('the name of a member'));
      else if (this.#peek('[')) steps.push(this.#bracket());
      else break;
      if (steps.length > MAX_STEPS) throw this.#fault(`at most ${MAX_STEPS} names and indexes in a source`, start);
    }
    const [name] = steps;
    const read = compile(steps);
    if (!isQuoted || steps.length > 1 || typeof name !== 'string')
      return [{ text: this.#text.slice(start, this.#at).trim(), steps, read }];
    const path = pathIn(name);
    return [{ text: name, steps, read }, ...(path === undefined ? [] : [path])];
  }

  #bracket(): Step {
    this.#at++;
    this.#skipWhite();
    const index = this.#isQuote() ? undefined : this.#digits();
    const step = index ?? this.#quoted();
    if (!this.#take(']')) throw this.#expected('"]"');
    return step;
  }

  #digits(): number {
    const start = this.#at;
    while (/\d/.test(this.#text[this.#at] ?? '')) this.#at++;
    const digits = this.#at - start;
    if (digits === 0) throw this.#expected('an index or a name in quotes');
    if (digits > MAX_INDEX_DIGITS) throw this.#fault(`an index of at most ${MAX_INDEX_DIGITS} digits`, start);
    return Number(this.#text.slice(start, this.#at));
  }

  #name(what: string): string {
    const start = this.#skipWhite();
    if (this.#isQuote()) return this.#quoted();
    while (this.#at < this.#text.length && !ENDS_NAME.has(this.#text[this.#at] as string)) this.#at++;
    const name = this.#text.slice(start, this.#at).trim();
    if (name === '') throw this.#expected(what);
    return name;
  }

  #isQuote(): boolean {
    return this.#text[this.#at] === '"' || this.#text[this.#at] === "'";
  }

  #quoted(): string {
    const quote = this.#text[this.#at++];
    let name = '';
    for (;;) {
      const character = this.#text[this.#at++];
      if (character === quote) return name;
      if (character === undefined) {
        this.#at = this.#text.length;
        throw this.#expected('the closing quote');
      }
      const next = this.#text[this.#at];
      const isEscape = character === '\\' && (next === '"' || next === "'" || next === '\\');
      name += isEscape ? next : character;
      if (isEscape) this.#at++;
    }
  }

  #skipWhite(): number {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++;
    return this.#at;
  }

  #peek(character: string): boolean {
    this.#skipWhite();
    return this.#text[this.#at] === character;
  }

  #take(character: string): boolean {
    if (!this.#peek(character)) return false;
    this.#at++;
    return true;
  }

  #expected(what: string): FieldMapError {
    const found = this.#text[this.#at];
    return this.#fault(`${what}, found ${found === undefined ? 'the end' : JSON.stringify(found)}`, this.#at);
  }

  #fault(expected: string, at: number): FieldMapError {
    const where = `${this.#what} ${JSON.stringify(this.#text)} at character ${at + 1}`;
    return new FieldMapError(`cannot read the ${where}: expected ${expected}`);
  }
}

/** The path that a quoted name spells; undefined where it spells none but itself. */
function pathIn(name: string): FieldSource | undefined {
  try {
    const [source, ...others] = new MapReader(name, 'path').onlySources();
    return others.length === 0 && source !== undefined && source.steps.length > 1 ? source : undefined;
  } catch {
    return undefined;
  }
}

function compile(steps: readonly Step[]): (value: unknown) => unknown {
  const [first, ...rest] = steps.map(compileStep);
  return rest.reduce((read, next) => (value) => next(read(value)), first as (value: unknown) => unknown);
}

function compileStep(step: Step): (value: unknown) => unknown {
  if (typeof step === 'number') return (value) => (Array.isArray(value) ? value[step] : undefined);
  // What JSON.parse makes inherits these; any other name is the object's own.
  if (step in Object.prototype)
    return (value) => (isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined);
  return (value) => (isObject(value) ? value[step] : undefined);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
