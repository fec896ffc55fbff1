import { existsSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isAbsent } from '../../disk/missing.ts';

export interface FileFinder {
  /**
   * The absolute paths that the patterns match now, each once, files and links alike. The same array where nothing has changed: then it costs
   * one stat a folder.
   */
  find(): Promise<readonly string[]>;
  /** Those that the last `find` looked into: what is new shows in them. */
  readonly folders: ReadonlySet<string>;
}

interface Listing {
  readonly changed: number;
  readonly listedAt: number;
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

/** A folder that was changed so shortly before it was listed may change again without a new time. */
const TIME_STEP_MS = 2_000;

/**
 * Patterns of paths: `*` and `?` within a name, `[abc]`, `{one,two}`, and a double star for any folders. A name that begins with a dot is matched only
 * by a pattern that does. A path that exists as it is written is taken so. `onError`: a folder cannot be listed.
 */
export function createFinder(
  patterns: readonly string[],
  onError: (folder: string, error: Error) => void,
  exclude: (path: string) => boolean = () => false,
): FileFinder {
  const expanded = patterns.flatMap((pattern) => (existsSync(pattern) ? [pattern] : expandBraces(pattern)));
  let folders = new Set<string>();
  let last: readonly string[] = [];
  const lister = createLister(onError);

  function list(folder: string): Promise<Listing | undefined> {
    folders.add(folder);
    return lister.list(folder);
  }

  async function walk(folder: string, parts: readonly string[], found: Set<string>): Promise<void> {
    const [part = '', ...rest] = parts;
    if (part === '**') {
      await walk(folder, rest, found);
      const within = (await list(folder))?.folders ?? [];
      for (const name of within) if (!name.startsWith('.')) await walk(join(folder, name), parts, found);
    } else if (!isPattern(part)) {
      if (rest.length > 0) return walk(join(folder, part), rest, found);
      folders.add(folder);
      if (existsSync(join(folder, part))) found.add(join(folder, part));
    } else {
      const listing = await list(folder);
      const matches = toMatcher(part);
      if (rest.length === 0) for (const name of listing?.files ?? []) if (matches(name)) found.add(join(folder, name));
      if (rest.length === 0) return;
      for (const name of listing?.folders ?? []) if (matches(name)) await walk(join(folder, name), rest, found);
    }
  }

  return {
    get folders() {
      return folders;
    },
    async find() {
      folders = new Set();
      const found = new Set<string>();
      for (const pattern of expanded) {
        const path = resolve(pattern);
        if (existsSync(path)) {
          folders.add(dirname(path));
          found.add(path);
        } else await walk('/', path.slice(1).split('/'), found);
      }
      lister.keep(folders);
      for (const path of found) if (exclude(path)) found.delete(path);
      if (found.size !== last.length || last.some((path) => !found.has(path))) last = [...found];
      return last;
    },
  };
}

/** Lists folders, and those again that have changed. */
function createLister(onError: (folder: string, error: Error) => void) {
  const listings = new Map<string, Listing>();
  return {
    async list(folder: string): Promise<Listing | undefined> {
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
        };
        listings.set(folder, listing);
        return listing;
      } catch (error) {
        listings.delete(folder);
        if (!isAbsent(error)) onError(folder, error as Error);
        return undefined;
      }
    },
    /** Forgets the others. */
    keep(folders: ReadonlySet<string>): void {
      for (const folder of listings.keys()) if (!folders.has(folder)) listings.delete(folder);
    },
  };
}

function isPattern(part: string): boolean {
  return /[*?[]/.test(part);
}

function toMatcher(part: string): (name: string) => boolean {
  const source = part.replace(/\*+|\?|\[!?[^\]]+\]|[\\^$.+(){}|[\]]/g, (token) => {
    if (token.startsWith('*')) return '.*';
    if (token === '?') return '.';
    if (token.length > 1) return `[${token.slice(1, -1).replace(/^!/, '^').replaceAll('\\', '\\\\')}]`;
    return `\\${token}`;
  });
  const expression = new RegExp(`^${source}$`, 's');
  const takesDot = part.startsWith('.');
  return (name) => (takesDot || !name.startsWith('.')) && expression.test(name);
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
