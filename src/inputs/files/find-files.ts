import { existsSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isAbsent } from '../../disk/missing.ts';
import { statusOf } from '../../disk/status-of.ts';

export interface FileFinder {
  /**
   * The absolute paths that the patterns match now, each once, files and links alike; a link may lead to a folder, or nowhere. The same array
   * where nothing has changed: then it costs one stat a folder, and one a link whose name may stand for a folder.
   */
  find(): Promise<readonly string[]>;
  /** Whether a pattern matches the path, whatever stands there. */
  matches(path: string): boolean;
  /** Those that the last `find` looked into: what is new shows in them. */
  readonly folders: ReadonlySet<string>;
}

interface Listing {
  readonly changed: number;
  readonly listedAt: number;
  /** Names of all but folders, links among them. */
  readonly files: readonly string[];
  readonly folders: readonly string[];
  /**
   * Names of symbolic links. Whether one leads to a folder is asked each time: that may be made, or mounted, at any time, and the folder of the
   * link does not change with it. A double star does not follow them, since they may lead in a circle.
   */
  readonly links: readonly string[];
  /** The paths of files that each pattern of a name has matched. */
  readonly matched: Map<Part, readonly string[]>;
}

/** A name between two slashes of a pattern. */
interface Part {
  readonly text: string;
  /** Absent where it stands for itself. */
  readonly matches?: (name: string) => boolean;
}

interface Pattern {
  readonly path: string;
  readonly parts: readonly Part[];
}

/** A folder that was changed so shortly before it was listed may change again without a new time. */
const TIME_STEP_MS = 2_000;

/**
 * Patterns of paths: `*` and `?` within a name, `[abc]`, `{one,two}`, and a double star for any folders. A name that begins with a dot is matched only
 * by a pattern that does. A path that exists as it is written is taken so. `onError`: a folder cannot be listed. Throws where a pattern is none.
 */
export function createFinder(
  patterns: readonly string[],
  onError: (folder: string, error: Error) => void,
  exclude: (path: string) => boolean = () => false,
): FileFinder {
  const expanded = patterns.flatMap((pattern) => (existsSync(pattern) ? [pattern] : expandBraces(pattern)));
  return new Finder(expanded.map(compile), createLister(onError), exclude);
}

class Finder implements FileFinder {
  readonly #patterns: readonly Pattern[];
  readonly #lister: Lister;
  readonly #exclude: (path: string) => boolean;
  #folders = new Set<string>();
  #found = new Set<string>();
  #last: readonly string[] = [];

  constructor(patterns: readonly Pattern[], lister: Lister, exclude: (path: string) => boolean) {
    this.#patterns = patterns;
    this.#lister = lister;
    this.#exclude = exclude;
  }

  get folders(): ReadonlySet<string> {
    return this.#folders;
  }

  async find(): Promise<readonly string[]> {
    this.#folders = new Set();
    this.#found = new Set();
    for (const { path, parts } of this.#patterns) {
      if (existsSync(path)) this.#addPath(path);
      else await this.#walk('/', parts);
    }
    this.#lister.keep(this.#folders);
    const found = this.#found;
    if (found.size !== this.#last.length || this.#last.some((path) => !found.has(path))) this.#last = [...found];
    return this.#last;
  }

  matches(path: string): boolean {
    const names = path.slice(1).split('/');
    const isMatched = this.#patterns.some((pattern) => pattern.path === path || matchesAll(pattern.parts, names));
    return isMatched && !this.#exclude(path);
  }

  async #walk(folder: string, parts: readonly Part[]): Promise<void> {
    const [part, ...rest] = parts;
    if (part === undefined) return;
    if (part.text === '**') {
      await this.#walk(folder, rest);
      const within = (await this.#list(folder))?.folders ?? [];
      for (const name of within) if (!name.startsWith('.')) await this.#walk(join(folder, name), parts);
    } else if (part.matches === undefined) {
      const path = join(folder, part.text);
      if (rest.length > 0) await this.#walk(path, rest);
      else this.#addPath(path);
    } else {
      const listing = await this.#list(folder);
      if (listing === undefined) return;
      if (rest.length === 0) this.#addFiles(folder, part, listing);
      else {
        for (const name of listing.folders.filter(part.matches)) await this.#walk(join(folder, name), rest);
        for (const name of listing.links.filter(part.matches)) {
          const path = join(folder, name);
          if (statusOf(path)?.isDirectory()) await this.#walk(path, rest);
        }
      }
    }
  }

  #list(folder: string): Promise<Listing | undefined> {
    this.#folders.add(folder);
    return this.#lister.list(folder);
  }

  #addPath(path: string): void {
    this.#folders.add(dirname(path));
    if (existsSync(path) && !this.#exclude(path)) this.#found.add(path);
  }

  #addFiles(folder: string, part: Part, { files, matched }: Listing): void {
    let paths = matched.get(part);
    if (paths === undefined) {
      const names = files.filter((name) => part.matches?.(name));
      paths = names.map((name) => join(folder, name)).filter((path) => !this.#exclude(path));
      matched.set(part, paths);
    }
    for (const path of paths) this.#found.add(path);
  }
}

/** Lists folders, and those again that have changed. */
interface Lister {
  list(folder: string): Promise<Listing | undefined>;
  /** Forgets the others. */
  keep(folders: ReadonlySet<string>): void;
}

function createLister(onError: (folder: string, error: Error) => void): Lister {
  const listings = new Map<string, Listing>();
  return {
    async list(folder) {
      try {
        const changed = statSync(folder).mtimeMs;
        const known = listings.get(folder);
        if (known?.changed === changed && known.listedAt - changed > TIME_STEP_MS) return known;
        const listedAt = Date.now();
        const entries = await readdir(folder, { withFileTypes: true });
        const listing = {
          ...{ changed, listedAt },
          files: entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name),
          folders: entries.filter((entry) => entry.isDirectory()).map(({ name }) => name),
          links: entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => name),
          matched: new Map(),
        };
        listings.set(folder, listing);
        return listing;
      } catch (error) {
        listings.delete(folder);
        if (!isAbsent(error)) onError(folder, error as Error);
        return undefined;
      }
    },
    keep(folders) {
      for (const folder of listings.keys()) if (!folders.has(folder)) listings.delete(folder);
    },
  };
}

function compile(pattern: string): Pattern {
  const path = resolve(pattern);
  const toPart = (text: string): Part => (isPattern(text) ? { text, matches: toMatcher(pattern, text) } : { text });
  return { path, parts: path.slice(1).split('/').map(toPart) };
}

function matchesAll([part, ...parts]: readonly Part[], names: readonly string[]): boolean {
  const [name, ...rest] = names;
  if (part === undefined || name === undefined) return part === undefined && name === undefined;
  if (part.text === '**')
    return matchesAll(parts, names) || (!name.startsWith('.') && matchesAll([part, ...parts], rest));
  return (part.matches?.(name) ?? part.text === name) && matchesAll(parts, rest);
}

function isPattern(part: string): boolean {
  return /[*?[]/.test(part);
}

function toMatcher(pattern: string, part: string): (name: string) => boolean {
  const source = part.replace(/\*+|\?|\[!?[^\]]+\]|[\\^$.+(){}|[\]]/g, (token) => {
    if (token.startsWith('*')) return '.*';
    if (token === '?') return '.';
    if (token.length > 1) return `[${token.slice(1, -1).replace(/^!/, '^').replaceAll('\\', '\\\\')}]`;
    return `\\${token}`;
  });
  const expression = toExpression(pattern, source);
  const takesDot = part.startsWith('.');
  return (name) => (takesDot || !name.startsWith('.')) && expression.test(name);
}

function toExpression(pattern: string, source: string): RegExp {
  try {
    return new RegExp(`^${source}$`, 's');
  } catch (cause) {
    throw new Error(`cannot read the pattern ${pattern}: in brackets a range goes upwards, such as [a-z]`, { cause });
  }
}

/** `a{b,c}d` → `abd`, `acd`. Braces without a comma stay. */
export function expandBraces(pattern: string): string[] {
  const inner = /\{([^{}]*,[^{}]*)\}/.exec(pattern);
  if (inner === null) return [pattern];
  const before = pattern.slice(0, inner.index);
  const after = pattern.slice(inner.index + inner[0].length);
  const choices = (inner[1] ?? '').split(',').flatMap((choice) => expandBraces(`${before}${choice}${after}`));
  return [...new Set(choices)];
}
